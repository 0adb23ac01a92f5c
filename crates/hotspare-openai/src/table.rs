//! The rows.
//!
//! One row per host of the wire. A row sets what differs from the row it extends, [`Dialect::OPENAI`] in the end; a new
//! host is a new row and a recorded reply in the tests. Facts are from the hosts' documentation and from recorded
//! traffic.

use std::borrow::Cow::Borrowed;

use crate::dialect::{Auth, Dialect, MaxTokens};

mod accepted;

impl Dialect {
    /// OpenAI, where the wire comes from.
    pub const OPENAI: Self = Self {
        id: Borrowed("openai"),
        base_url: Borrowed("https://api.openai.com/v1"),
        key_env: Some(Borrowed("OPENAI_API_KEY")),
        auth: Auth::Bearer,
        chat_path: Borrowed("/chat/completions"),
        responses_path: Borrowed("/responses"),
        query: Borrowed(""),
        embed_path: Borrowed("/embeddings"),
        embed_base64: true,
        embed_tokens: true,
        dimensions_field: Borrowed("dimensions"),
        accepts: None,
        // It refuses fields that it does not know.
        inner_fields: Some(&["audio"]),
        unknown_fields: &[],
        custom_tools: true,
        speaker_names: true,
        max_temperature_tenths: 20,
        zero_temperature: true,
        catalog: Borrowed("openai"),
        max_tokens: MaxTokens::Completion,
        developer_role: true,
        one_system_message: false,
        ask_stream_usage: true,
        reasoning_beside_output: false,
        signs_reasoning: false,
        reasoning_fields: &[],
        requires_reasoning: false,
        efforts: &[],
        thinking_switch: false,
        seed_field: Borrowed("seed"),
        images: true,
        documents: true,
        json_schema: true,
        forced_tool: Some(true),
        free_tool_ids: true,
        request_id: Borrowed("x-request-id"),
    };

    /// What most other hosts have in common: older field names, no `developer` role, reasoning in `reasoning_content`.
    /// Hosts of Kimi, GLM and MiniMax models require it back with tool calls.
    pub const COMPATIBLE: Self = Self {
        id: Borrowed("compatible"),
        catalog: Borrowed("compatible"),
        base_url: Borrowed("http://127.0.0.1:8000/v1"),
        key_env: None,
        auth: Auth::Optional,
        embed_base64: false,
        max_tokens: MaxTokens::Plain,
        developer_role: false,
        inner_fields: None,
        reasoning_fields: &["reasoning_content"],
        forced_tool: None,
        ..Self::OPENAI
    };

    /// Azure's version 1 API. Its base URL names your resource: until [`Dialect::at`] sets it, it is not a valid address.
    pub const AZURE: Self = Self {
        id: Borrowed("azure"),
        catalog: Borrowed("azure"),
        base_url: Borrowed("https://{resource}.openai.azure.com/openai/v1"),
        key_env: Some(Borrowed("AZURE_OPENAI_API_KEY")),
        auth: Auth::Header(Borrowed("api-key")),
        request_id: Borrowed("apim-request-id"),
        ..Self::OPENAI
    };

    /// Azure's older API: the URL holds the deployment and an API version. The base URL is yours to set, as above.
    pub const AZURE_DEPLOYMENTS: Self = Self {
        id: Borrowed("azure-deployments"),
        catalog: Borrowed("azure"),
        base_url: Borrowed("https://{resource}.openai.azure.com/openai"),
        chat_path: Borrowed("/deployments/{model}/chat/completions"),
        embed_path: Borrowed("/deployments/{model}/embeddings"),
        query: Borrowed("api-version=2024-10-21"),
        // This version does not know it (run-llama/llama_index#17544); models for which it was made take `system` for it.
        developer_role: false,
        ..Self::AZURE
    };

    /// Alibaba Cloud Model Studio, the international endpoint.
    pub const ALIBABA: Self = Self {
        id: Borrowed("alibaba"),
        catalog: Borrowed("alibaba"),
        base_url: Borrowed("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        key_env: Some(Borrowed("DASHSCOPE_API_KEY")),
        auth: Auth::Bearer,
        inner_fields: Some(&["cache_control", "max_pixels", "min_pixels", "partial"]),
        ..Self::COMPATIBLE
    };

    /// Cerebras.
    pub const CEREBRAS: Self = Self {
        id: Borrowed("cerebras"),
        catalog: Borrowed("cerebras"),
        base_url: Borrowed("https://api.cerebras.ai/v1"),
        key_env: Some(Borrowed("CEREBRAS_API_KEY")),
        auth: Auth::Bearer,
        max_tokens: MaxTokens::Completion,
        accepts: Some(accepted::CEREBRAS),
        inner_fields: Some(&[]),
        // It refuses `reasoning_content` with code `wrong_api_format` and accepts `reasoning` (QwenLM/qwen-code#11045).
        reasoning_fields: &["reasoning"],
        ..Self::COMPATIBLE
    };

    /// Cohere's compatibility API.
    pub const COHERE: Self = Self {
        id: Borrowed("cohere"),
        catalog: Borrowed("cohere"),
        base_url: Borrowed("https://api.cohere.ai/compatibility/v1"),
        key_env: Some(Borrowed("COHERE_API_KEY")),
        auth: Auth::Bearer,
        request_id: Borrowed("x-debug-trace-id"),
        accepts: Some(accepted::COHERE),
        inner_fields: Some(&["citations", "tool_plan"]),
        max_temperature_tenths: 10,
        // Not known to accept it.
        reasoning_fields: &[],
        ..Self::COMPATIBLE
    };

    /// DeepInfra.
    pub const DEEPINFRA: Self = Self {
        id: Borrowed("deepinfra"),
        catalog: Borrowed("deepinfra"),
        base_url: Borrowed("https://api.deepinfra.com/v1/openai"),
        key_env: Some(Borrowed("DEEPINFRA_API_KEY")),
        auth: Auth::Bearer,
        inner_fields: Some(&[]),
        ..Self::COMPATIBLE
    };

    /// DeepSeek: text only, JSON without a schema; it sends keep-alive comments while a request is queued. Models think
    /// by default, and then each turn that called tools must come back with its reasoning; that of other turns is ignored
    /// (DeepSeek's guide "Thinking mode").
    pub const DEEPSEEK: Self = Self {
        id: Borrowed("deepseek"),
        catalog: Borrowed("deepseek"),
        base_url: Borrowed("https://api.deepseek.com"),
        key_env: Some(Borrowed("DEEPSEEK_API_KEY")),
        auth: Auth::Bearer,
        images: false,
        json_schema: false,
        request_id: Borrowed("x-ds-trace-id"),
        accepts: Some(accepted::DEEPSEEK),
        inner_fields: Some(&["prefix"]),
        requires_reasoning: true,
        documents: false,
        // The mapping of its guide; older models know only the words that it maps to.
        efforts: &[("minimal", "low")],
        thinking_switch: true,
        // It refuses them: `missing field function` (danny-avila/LibreChat#12804).
        custom_tools: false,
        ..Self::COMPATIBLE
    };

    /// Fireworks. It takes earlier reasoning in `reasoning_content` (Fireworks' guide "Reasoning").
    pub const FIREWORKS: Self = Self {
        id: Borrowed("fireworks"),
        catalog: Borrowed("fireworks"),
        base_url: Borrowed("https://api.fireworks.ai/inference/v1"),
        key_env: Some(Borrowed("FIREWORKS_API_KEY")),
        auth: Auth::Bearer,
        inner_fields: Some(&[]),
        ..Self::COMPATIBLE
    };

    /// GitHub Models.
    pub const GITHUB: Self = Self {
        id: Borrowed("github"),
        catalog: Borrowed("github"),
        base_url: Borrowed("https://models.github.ai/inference"),
        key_env: Some(Borrowed("GITHUB_TOKEN")),
        auth: Auth::Bearer,
        inner_fields: Self::OPENAI.inner_fields,
        // Not known to accept it.
        reasoning_fields: &[],
        ..Self::COMPATIBLE
    };

    /// Groq.
    pub const GROQ: Self = Self {
        id: Borrowed("groq"),
        catalog: Borrowed("groq"),
        base_url: Borrowed("https://api.groq.com/openai/v1"),
        key_env: Some(Borrowed("GROQ_API_KEY")),
        auth: Auth::Bearer,
        max_tokens: MaxTokens::Completion,
        accepts: Some(accepted::GROQ),
        inner_fields: Some(&[]),
        // It refuses `reasoning_content` (janhq/jan#8136), and `reasoning` for models that do not reason (vercel/ai#8057).
        reasoning_fields: &[],
        documents: false,
        custom_tools: false,
        ..Self::COMPATIBLE
    };

    /// Hugging Face's router.
    pub const HUGGING_FACE: Self = Self {
        id: Borrowed("huggingface"),
        catalog: Borrowed("huggingface"),
        base_url: Borrowed("https://router.huggingface.co/v1"),
        key_env: Some(Borrowed("HF_TOKEN")),
        auth: Auth::Bearer,
        // It forwards to hosts of which some, such as Groq and Cerebras, refuse the field, and others that they do not know.
        reasoning_fields: &[],
        inner_fields: Some(&[]),
        ..Self::COMPATIBLE
    };

    /// llama.cpp's server on this machine. It takes earlier reasoning in `reasoning_content`, if the model's template has
    /// a place for it (ggml-org/llama.cpp#18994).
    pub const LLAMA_CPP: Self = Self {
        id: Borrowed("llamacpp"),
        catalog: Borrowed("llamacpp"),
        base_url: Borrowed("http://127.0.0.1:8080/v1"),
        documents: false,
        unknown_fields: accepted::OPENAI_ONLY,
        custom_tools: false,
        ..Self::COMPATIBLE
    };

    /// MiniMax. It ignores `response_format` (MiniMax-AI/MiniMax-M2.5#4), and its temperatures are in (0, 1] (MiniMax's
    /// reference "OpenAI API").
    pub const MINIMAX: Self = Self {
        id: Borrowed("minimax"),
        catalog: Borrowed("minimax"),
        base_url: Borrowed("https://api.minimax.io/v1"),
        key_env: Some(Borrowed("MINIMAX_API_KEY")),
        auth: Auth::Bearer,
        max_tokens: MaxTokens::Completion,
        max_temperature_tenths: 10,
        zero_temperature: false,
        json_schema: false,
        // It refuses a second system message (MiniMax-AI/MiniMax-M2#51).
        one_system_message: true,
        request_id: Borrowed("minimax-request-id"),
        inner_fields: Some(&[]),
        ..Self::COMPATIBLE
    };

    /// Mistral.
    pub const MISTRAL: Self = Self {
        id: Borrowed("mistral"),
        catalog: Borrowed("mistral"),
        base_url: Borrowed("https://api.mistral.ai/v1"),
        key_env: Some(Borrowed("MISTRAL_API_KEY")),
        auth: Auth::Bearer,
        // Usage is sent without being requested, and the option is not accepted everywhere.
        ask_stream_usage: false,
        embed_tokens: false,
        dimensions_field: Borrowed("output_dimension"),
        seed_field: Borrowed("random_seed"),
        request_id: Borrowed("mistral-correlation-id"),
        accepts: Some(accepted::MISTRAL),
        inner_fields: Some(&["prefix"]),
        max_temperature_tenths: 15,
        free_tool_ids: false,
        // It refuses the field with `extra_forbidden` (BerriAI/litellm#30835).
        reasoning_fields: &[],
        documents: false,
        custom_tools: false,
        // It refuses the field with `extra_forbidden` (microsoft/autogen#2748).
        speaker_names: false,
        ..Self::COMPATIBLE
    };

    /// Moonshot's Kimi. Models think by default, and then each turn that called tools must come back with its reasoning
    /// (Moonshot's guide "Use thinking models").
    pub const MOONSHOT: Self = Self {
        id: Borrowed("moonshot"),
        catalog: Borrowed("moonshot"),
        base_url: Borrowed("https://api.moonshot.ai/v1"),
        key_env: Some(Borrowed("MOONSHOT_API_KEY")),
        auth: Auth::Bearer,
        max_tokens: MaxTokens::Completion,
        // Without sampling: Kimi models have fixed values and refuse others (Moonshot's "Model parameters").
        accepts: Some(accepted::MOONSHOT),
        inner_fields: Some(&["partial"]),
        requires_reasoning: true,
        request_id: Borrowed("msh-request-id"),
        ..Self::COMPATIBLE
    };

    /// NVIDIA's hosted NIM. It refuses fields that it does not know (diegosouzapw/OmniRoute#848).
    pub const NVIDIA: Self = Self {
        id: Borrowed("nvidia"),
        catalog: Borrowed("nvidia"),
        base_url: Borrowed("https://integrate.api.nvidia.com/v1"),
        key_env: Some(Borrowed("NVIDIA_API_KEY")),
        auth: Auth::Bearer,
        accepts: Some(accepted::NVIDIA),
        inner_fields: Some(&[]),
        request_id: Borrowed("nvcf-reqid"),
        ..Self::COMPATIBLE
    };

    /// Ollama on this machine, by its OpenAI-compatible API.
    pub const OLLAMA: Self = Self {
        id: Borrowed("ollama"),
        catalog: Borrowed("ollama"),
        base_url: Borrowed("http://127.0.0.1:11434/v1"),
        accepts: Some(accepted::OLLAMA),
        inner_fields: Some(&["thinking", "tool_name"]),
        // Its name for the field, in replies and in messages.
        reasoning_fields: &["reasoning"],
        documents: false,
        ..Self::COMPATIBLE
    };

    /// OpenRouter.
    pub const OPENROUTER: Self = Self {
        id: Borrowed("openrouter"),
        catalog: Borrowed("openrouter"),
        base_url: Borrowed("https://openrouter.ai/api/v1"),
        key_env: Some(Borrowed("OPENROUTER_API_KEY")),
        auth: Auth::Bearer,
        signs_reasoning: true,
        request_id: Borrowed("x-generation-id"),
        // For models without signatures (OpenRouter's guide "Reasoning tokens").
        reasoning_fields: &["reasoning"],
        // It takes `developer` itself (recorded), but hosts behind it refuse it, also for models that reason
        // (earendil-works/pi#5221). `system` is accepted everywhere, and OpenAI's models take it for `developer`.
        developer_role: false,
        // Not in its reference, unlike audio, modalities and verbosity.
        unknown_fields: &["function_call", "functions", "moderation", "store"],
        custom_tools: false,
        ..Self::COMPATIBLE
    };

    /// Perplexity.
    pub const PERPLEXITY: Self = Self {
        id: Borrowed("perplexity"),
        catalog: Borrowed("perplexity"),
        base_url: Borrowed("https://api.perplexity.ai"),
        key_env: Some(Borrowed("PERPLEXITY_API_KEY")),
        auth: Auth::Bearer,
        ask_stream_usage: false,
        accepts: Some(accepted::PERPLEXITY),
        inner_fields: Some(&[]),
        // Not known to accept it.
        reasoning_fields: &[],
        ..Self::COMPATIBLE
    };

    /// SambaNova Cloud.
    pub const SAMBANOVA: Self = Self {
        id: Borrowed("sambanova"),
        catalog: Borrowed("sambanova"),
        base_url: Borrowed("https://api.sambanova.ai/v1"),
        key_env: Some(Borrowed("SAMBANOVA_API_KEY")),
        auth: Auth::Bearer,
        inner_fields: Some(&[]),
        ..Self::COMPATIBLE
    };

    /// Together.
    pub const TOGETHER: Self = Self {
        id: Borrowed("together"),
        catalog: Borrowed("together"),
        base_url: Borrowed("https://api.together.xyz/v1"),
        key_env: Some(Borrowed("TOGETHER_API_KEY")),
        auth: Auth::Bearer,
        // Its name for the field (Together's guide "Reasoning").
        reasoning_fields: &["reasoning"],
        inner_fields: Some(&[]),
        ..Self::COMPATIBLE
    };

    /// Vercel's AI Gateway, a relay to many hosts (Vercel's guide "OpenAI Chat Completions API"). Reasoning is signed as at
    /// OpenRouter, and comes back in the same fields (recorded).
    pub const VERCEL: Self = Self {
        id: Borrowed("vercel"),
        catalog: Borrowed("vercel"),
        base_url: Borrowed("https://ai-gateway.vercel.sh/v1"),
        key_env: Some(Borrowed("AI_GATEWAY_API_KEY")),
        auth: Auth::Bearer,
        signs_reasoning: true,
        reasoning_fields: &["reasoning"],
        unknown_fields: accepted::OPENAI_ONLY,
        custom_tools: false,
        ..Self::COMPATIBLE
    };

    /// vLLM on this machine.
    pub const VLLM: Self = Self {
        id: Borrowed("vllm"),
        catalog: Borrowed("vllm"),
        base_url: Borrowed("http://127.0.0.1:8000/v1"),
        // It reads `reasoning_content` up to version 0.15 and `reasoning` since then (vllm-project/vllm#27755, #38488),
        // and ignores the other.
        reasoning_fields: &["reasoning", "reasoning_content"],
        documents: false,
        ..Self::COMPATIBLE
    };

    /// xAI.
    pub const XAI: Self = Self {
        id: Borrowed("xai"),
        catalog: Borrowed("xai"),
        base_url: Borrowed("https://api.x.ai/v1"),
        key_env: Some(Borrowed("XAI_API_KEY")),
        auth: Auth::Bearer,
        reasoning_beside_output: true,
        // Not known to accept it; its encrypted reasoning exists on the Responses wire only.
        reasoning_fields: &[],
        documents: false,
        inner_fields: Some(&[]),
        unknown_fields: accepted::OPENAI_ONLY,
        custom_tools: false,
        ..Self::COMPATIBLE
    };

    /// Z.ai's GLM: JSON without a schema. It takes earlier reasoning back with tool calls (Z.ai's guide "Thinking mode").
    pub const ZAI: Self = Self {
        id: Borrowed("zai"),
        catalog: Borrowed("zai"),
        base_url: Borrowed("https://api.z.ai/api/paas/v4"),
        key_env: Some(Borrowed("ZAI_API_KEY")),
        auth: Auth::Bearer,
        max_temperature_tenths: 10,
        json_schema: false,
        request_id: Borrowed("x-log-id"),
        inner_fields: Some(&[]),
        ..Self::COMPATIBLE
    };

    /// Every row.
    pub const ALL: &'static [Self] = &[
        Self::ALIBABA,
        Self::AZURE,
        Self::AZURE_DEPLOYMENTS,
        Self::CEREBRAS,
        Self::COHERE,
        Self::COMPATIBLE,
        Self::DEEPINFRA,
        Self::DEEPSEEK,
        Self::FIREWORKS,
        Self::GITHUB,
        Self::GROQ,
        Self::HUGGING_FACE,
        Self::LLAMA_CPP,
        Self::MINIMAX,
        Self::MISTRAL,
        Self::MOONSHOT,
        Self::NVIDIA,
        Self::OLLAMA,
        Self::OPENAI,
        Self::OPENROUTER,
        Self::PERPLEXITY,
        Self::SAMBANOVA,
        Self::TOGETHER,
        Self::VERCEL,
        Self::VLLM,
        Self::XAI,
        Self::ZAI,
    ];
}
