//! The optional fields of a request that hosts accept, from their documentation of chat completions.
//!
//! Not the fields that every host accepts, such as the messages, the tools and the output format. Invariant: a host
//! without a list is sent every requested field.

/// OpenAI's own, which a host with its wire need not know: audio as output, what tools replaced, and hints.
pub(super) const OPENAI_ONLY: &[&str] =
    &["audio", "function_call", "functions", "modalities", "moderation", "store", "verbosity"];

pub(super) const CEREBRAS: &[&str] = &[
    "temperature",
    "top_p",
    "seed",
    "stop",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "user",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "prediction",
    "service_tier",
];
pub(super) const COHERE: &[&str] = &[
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "tool_choice",
    "reasoning_effort",
];
pub(super) const DEEPSEEK: &[&str] = &[
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "tool_choice",
    "reasoning_effort",
    "thinking",
    "logprobs",
    "top_logprobs",
];
pub(super) const GROQ: &[&str] = &[
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "reasoning_format",
    "include_reasoning",
    "user",
    "service_tier",
    "documents",
    "citation_options",
    "search_settings",
    "compound_custom",
    "disable_tool_validation",
];
pub(super) const MISTRAL: &[&str] = &[
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "random_seed",
    "stop",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning_effort",
    "n",
    "metadata",
    "prediction",
    "prompt_cache_key",
    "prompt_mode",
    "safe_prompt",
];
pub(super) const MOONSHOT: &[&str] = &[
    "n",
    "stop",
    "tool_choice",
    "reasoning_effort",
    "thinking",
    "logprobs",
    "top_logprobs",
    "prompt_cache_key",
    "safety_identifier",
];
pub(super) const NVIDIA: &[&str] = &[
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "tool_choice",
    "reasoning_effort",
    "reasoning_budget",
    "chat_template_kwargs",
];
pub(super) const OLLAMA: &[&str] = &[
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "seed",
    "stop",
    "reasoning_effort",
    "reasoning",
    "logprobs",
    "top_logprobs",
];
pub(super) const PERPLEXITY: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "tool_choice",
    "reasoning_effort",
    "web_search_options",
    "search_mode",
    "search_domain_filter",
    "search_recency_filter",
    "search_after_date_filter",
    "search_before_date_filter",
    "return_images",
    "return_related_questions",
    "disable_search",
];
