//! The rows.
//!
//! One per host that speaks the wire. A row names what differs from [`Dialect::OPENAI`]; a new host is a new row and a
//! recorded reply in the tests. Facts are from the hosts' documentation and from recorded traffic.

use std::borrow::Cow::Borrowed;

use crate::dialect::{Auth, Dialect, MaxTokens};

impl Dialect {
    /// Where the wire comes from.
    pub const OPENAI: Self = Self {
        id: Borrowed("openai"),
        base_url: Borrowed("https://api.openai.com/v1"),
        key_env: Some(Borrowed("OPENAI_API_KEY")),
        auth: Auth::Bearer,
        chat_path: Borrowed("/chat/completions"),
        embed_path: Borrowed("/embeddings"),
        embed_base64: true,
        embed_tokens: true,
        dimensions_field: Borrowed("dimensions"),
        max_tokens: MaxTokens::Completion,
        developer_role: true,
        ask_stream_usage: true,
        reasoning_beside_output: false,
        seed_field: Borrowed("seed"),
        images: true,
        json_schema: true,
        request_id: Borrowed("x-request-id"),
    };

    /// What most others have in common: older spellings, no `developer` role.
    pub const COMPATIBLE: Self = Self {
        id: Borrowed("compatible"),
        base_url: Borrowed("http://127.0.0.1:8000/v1"),
        key_env: None,
        auth: Auth::Optional,
        embed_base64: false,
        max_tokens: MaxTokens::Plain,
        developer_role: false,
        ..Self::OPENAI
    };

    /// Azure's version 1 paths; the base address names the resource.
    pub const AZURE: Self = Self {
        id: Borrowed("azure"),
        base_url: Borrowed("https://RESOURCE.openai.azure.com/openai/v1"),
        key_env: Some(Borrowed("AZURE_OPENAI_API_KEY")),
        auth: Auth::Header(Borrowed("api-key")),
        request_id: Borrowed("apim-request-id"),
        ..Self::OPENAI
    };

    const ALIBABA: Self = Self {
        id: Borrowed("alibaba"),
        base_url: Borrowed("https://dashscope-intl.aliyuncs.com/compatible-mode/v1"),
        key_env: Some(Borrowed("DASHSCOPE_API_KEY")),
        auth: Auth::Bearer,
        ..Self::COMPATIBLE
    };

    const CEREBRAS: Self = Self {
        id: Borrowed("cerebras"),
        base_url: Borrowed("https://api.cerebras.ai/v1"),
        key_env: Some(Borrowed("CEREBRAS_API_KEY")),
        auth: Auth::Bearer,
        max_tokens: MaxTokens::Completion,
        ..Self::COMPATIBLE
    };

    const COHERE: Self = Self {
        id: Borrowed("cohere"),
        base_url: Borrowed("https://api.cohere.ai/compatibility/v1"),
        key_env: Some(Borrowed("COHERE_API_KEY")),
        auth: Auth::Bearer,
        request_id: Borrowed("x-debug-trace-id"),
        ..Self::COMPATIBLE
    };

    /// DeepSeek: text only, JSON without a schema; keep-alive comments while it queues.
    pub const DEEPSEEK: Self = Self {
        id: Borrowed("deepseek"),
        base_url: Borrowed("https://api.deepseek.com"),
        key_env: Some(Borrowed("DEEPSEEK_API_KEY")),
        auth: Auth::Bearer,
        images: false,
        json_schema: false,
        request_id: Borrowed("x-ds-trace-id"),
        ..Self::COMPATIBLE
    };

    const FIREWORKS: Self = Self {
        id: Borrowed("fireworks"),
        base_url: Borrowed("https://api.fireworks.ai/inference/v1"),
        key_env: Some(Borrowed("FIREWORKS_API_KEY")),
        auth: Auth::Bearer,
        ..Self::COMPATIBLE
    };

    const GITHUB: Self = Self {
        id: Borrowed("github"),
        base_url: Borrowed("https://models.github.ai/inference"),
        key_env: Some(Borrowed("GITHUB_TOKEN")),
        auth: Auth::Bearer,
        ..Self::COMPATIBLE
    };

    const GROQ: Self = Self {
        id: Borrowed("groq"),
        base_url: Borrowed("https://api.groq.com/openai/v1"),
        key_env: Some(Borrowed("GROQ_API_KEY")),
        auth: Auth::Bearer,
        max_tokens: MaxTokens::Completion,
        ..Self::COMPATIBLE
    };

    const HUGGING_FACE: Self = Self {
        id: Borrowed("huggingface"),
        base_url: Borrowed("https://router.huggingface.co/v1"),
        key_env: Some(Borrowed("HF_TOKEN")),
        auth: Auth::Bearer,
        ..Self::COMPATIBLE
    };

    const LLAMA_CPP: Self =
        Self { id: Borrowed("llamacpp"), base_url: Borrowed("http://127.0.0.1:8080/v1"), ..Self::COMPATIBLE };

    const MISTRAL: Self = Self {
        id: Borrowed("mistral"),
        base_url: Borrowed("https://api.mistral.ai/v1"),
        key_env: Some(Borrowed("MISTRAL_API_KEY")),
        auth: Auth::Bearer,
        // Counts come unasked, and the option is not accepted everywhere.
        ask_stream_usage: false,
        embed_tokens: false,
        dimensions_field: Borrowed("output_dimension"),
        seed_field: Borrowed("random_seed"),
        request_id: Borrowed("mistral-correlation-id"),
        ..Self::COMPATIBLE
    };

    const OLLAMA: Self =
        Self { id: Borrowed("ollama"), base_url: Borrowed("http://127.0.0.1:11434/v1"), ..Self::COMPATIBLE };

    const OPENROUTER: Self = Self {
        id: Borrowed("openrouter"),
        base_url: Borrowed("https://openrouter.ai/api/v1"),
        key_env: Some(Borrowed("OPENROUTER_API_KEY")),
        auth: Auth::Bearer,
        request_id: Borrowed("x-generation-id"),
        ..Self::COMPATIBLE
    };

    const PERPLEXITY: Self = Self {
        id: Borrowed("perplexity"),
        base_url: Borrowed("https://api.perplexity.ai"),
        key_env: Some(Borrowed("PERPLEXITY_API_KEY")),
        auth: Auth::Bearer,
        ask_stream_usage: false,
        ..Self::COMPATIBLE
    };

    const TOGETHER: Self = Self {
        id: Borrowed("together"),
        base_url: Borrowed("https://api.together.xyz/v1"),
        key_env: Some(Borrowed("TOGETHER_API_KEY")),
        auth: Auth::Bearer,
        ..Self::COMPATIBLE
    };

    const VLLM: Self =
        Self { id: Borrowed("vllm"), base_url: Borrowed("http://127.0.0.1:8000/v1"), ..Self::COMPATIBLE };

    const XAI: Self = Self {
        id: Borrowed("xai"),
        base_url: Borrowed("https://api.x.ai/v1"),
        key_env: Some(Borrowed("XAI_API_KEY")),
        auth: Auth::Bearer,
        reasoning_beside_output: true,
        ..Self::COMPATIBLE
    };

    /// Every row.
    pub const ALL: &'static [Self] = &[
        Self::ALIBABA,
        Self::AZURE,
        Self::CEREBRAS,
        Self::COHERE,
        Self::COMPATIBLE,
        Self::DEEPSEEK,
        Self::FIREWORKS,
        Self::GITHUB,
        Self::GROQ,
        Self::HUGGING_FACE,
        Self::LLAMA_CPP,
        Self::MISTRAL,
        Self::OLLAMA,
        Self::OPENAI,
        Self::OPENROUTER,
        Self::PERPLEXITY,
        Self::TOGETHER,
        Self::VLLM,
        Self::XAI,
    ];
}
