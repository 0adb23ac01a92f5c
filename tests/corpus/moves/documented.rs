//! What no recording shows: fields that only a provider's documentation or source shows, and refusals.
//!
//! Data. Invariant: an entry that matches nothing fails the test, so the lists hold no leftovers.

/// Targets, what was never accepted, and why it is sent.
pub(super) type Entry = (&'static [&'static str], &'static str, &'static str);

const PARAMETER: &str = "a parameter in its reference";
const OPTIONAL: &str = "optional in its reference";
const MESSAGES: &str = "a form of a message in its reference";

/// Where each target's fields are documented.
pub(super) const REFERENCES: &[(&str, &str)] = &[
    ("cohere", "Cohere's reference, \"Chat\" of version 2"),
    ("converse", "Amazon Bedrock's API reference, \"Converse\" and its data types"),
    ("converse nova", "Amazon Bedrock's API reference, \"Converse\" and its data types"),
    ("deepseek", "DeepSeek's API reference, \"Create Chat Completion\", and its guide \"Thinking Mode\""),
    ("gemini", "the Gemini API's reference, \"Generating content\""),
    ("groq", "Groq's API reference, \"Create chat completion\""),
    ("llama.cpp", "the README of llama.cpp's server, /v1/chat/completions, and its reader of requests"),
    ("messages", "Anthropic's API reference, \"Create a Message\""),
    ("messages at bedrock", "Anthropic's API reference, \"Create a Message\""),
    ("messages at vertex", "Anthropic's API reference, \"Create a Message\""),
    ("mistral", "Mistral's API reference, \"Chat Completion\""),
    ("ollama", "Ollama's API documentation, \"Generate a chat completion\", and its types"),
    ("openai", "OpenAI's API reference, \"Create chat completion\""),
    ("openrouter", "OpenRouter's API reference, \"Parameters\" and \"Create a chat completion\""),
    ("responses", "OpenAI's API reference, \"Create a model response\""),
    ("vertex", "Vertex AI's model reference, \"Generate content with the Gemini API\""),
    ("xai", "xAI's REST reference, \"Chat completions\""),
];

/// Fields that the provider documents, at the place in [`REFERENCES`].
pub(super) const DOCUMENTED: &[Entry] = &[
    (&["cohere"], "frequency_penalty: unknown", PARAMETER),
    (&["cohere"], "presence_penalty: unknown", PARAMETER),
    (&["cohere"], "k: unknown", PARAMETER),
    (&["cohere"], "p: unknown", PARAMETER),
    (&["cohere"], "seed: unknown", PARAMETER),
    (&["cohere"], "strict_tools: unknown", PARAMETER),
    (&["cohere"], "thinking{disabled}: unknown", PARAMETER),
    (&["cohere", "deepseek", "groq", "llama.cpp"], "tools[function].function.description: missing", OPTIONAL),
    (
        &["converse", "converse nova"],
        "messages[user].content[*].toolResult.content[*].image.source.bytes: unknown",
        "ToolResultContentBlock may be an image",
    ),
    (
        &["converse", "converse nova"],
        "messages[assistant].content[*].toolResult: unknown",
        "of a tool that the provider ran; the tests' reader drops its type",
    ),
    (
        &["deepseek", "groq", "xai"],
        "messages[assistant].content: list",
        "a list of texts is read like one text",
    ),
    (
        &["deepseek", "groq", "mistral", "openai", "xai"],
        "messages[tool].content: list",
        "a list of texts is read like one text",
    ),
    (&["mistral", "xai"], "messages[system].content: list", MESSAGES),
    (&["deepseek"], "reasoning_effort: \"high\"", PARAMETER),
    (&["deepseek"], "reasoning_effort: \"xhigh\"", "read as max"),
    (&["deepseek", "llama.cpp"], "tool_choice{function}: unknown", PARAMETER),
    (&["deepseek", "llama.cpp", "responses"], "top_p: unknown", PARAMETER),
    (&["gemini"], "contents[user].parts[*].inlineData.mimeType: \"image/jpeg\"", "one of its image formats"),
    (&["gemini", "vertex"], "generationConfig.frequencyPenalty: unknown", PARAMETER),
    (&["gemini", "vertex"], "generationConfig.presencePenalty: unknown", PARAMETER),
    (&["gemini", "vertex"], "toolConfig.functionCallingConfig.mode: \"NONE\"", PARAMETER),
    (&["groq", "mistral"], "messages[assistant].content: null", "no content beside calls"),
    (&["llama.cpp", "xai"], "messages[assistant].content: text", MESSAGES),
    (&["llama.cpp"], "messages[tool].content[text]: unknown", MESSAGES),
    (&["groq", "xai"], "stop: unknown", PARAMETER),
    (&["openrouter"], "stop[*]: unknown", PARAMETER),
    (&["groq", "llama.cpp", "openrouter", "responses", "xai"], "user: unknown", PARAMETER),
    (&["llama.cpp"], "parallel_tool_calls: unknown", PARAMETER),
    (&["llama.cpp", "xai"], "response_format{json_object}: unknown", PARAMETER),
    (&["llama.cpp", "openrouter", "xai"], "tool_choice: \"none\"", PARAMETER),
    (&["xai"], "tool_choice: \"required\"", PARAMETER),
    (
        &["messages", "messages at bedrock", "messages at vertex"],
        "messages[user].content[tool_result].content[document]: unknown",
        MESSAGES,
    ),
    (&["messages"], "messages[user].content[tool_result].content[image].source{url}: unknown", MESSAGES),
    (&["deepseek", "groq", "openrouter", "xai"], "messages[user].name: unknown", "optional in its reference"),
    (&["llama.cpp"], "messages[user].name: unknown", "not read"),
    (
        &["llama.cpp", "openrouter"],
        "tools[function].function.required: unknown",
        "a caller's own field, not read",
    ),
    (&["openrouter"], "audio: unknown", "in its guide on audio"),
    (&["openrouter"], "modalities: unknown", "in its guides on audio and on generated images"),
    (&["openrouter"], "verbosity: unknown", PARAMETER),
    (&["xai"], "logprobs: unknown", PARAMETER),
    (&["xai"], "top_logprobs: unknown", PARAMETER),
    (&["mistral"], "tools[function].function.strict: unknown", PARAMETER),
    (&["ollama"], "messages[assistant].tool_calls[*].id: unknown", "a field of its ToolCall"),
    (&["ollama"], "messages[tool].tool_call_id: text", "a field of its Message"),
    (&["ollama"], "messages[user].images: unknown", MESSAGES),
    (&["ollama"], "options.frequency_penalty: unknown", PARAMETER),
    (&["ollama"], "options.presence_penalty: unknown", PARAMETER),
    (&["ollama"], "options.stop: unknown", PARAMETER),
    (&["ollama"], "options.temperature: number", PARAMETER),
    (&["ollama"], "options.top_k: unknown", PARAMETER),
    (&["ollama"], "options.top_p: unknown", PARAMETER),
    (&["ollama"], "think: text", "a level instead of true"),
    (&["openai"], "messages[user].content[file]: unknown", MESSAGES),
    (&["openrouter"], "reasoning_effort: \"high\"", PARAMETER),
    (&["openrouter"], "reasoning_effort: \"medium\"", PARAMETER),
    (&["openrouter"], "reasoning_effort: \"minimal\"", PARAMETER),
    (&["openrouter"], "reasoning_effort: \"none\"", PARAMETER),
    (&["openrouter"], "reasoning_effort: \"xhigh\"", PARAMETER),
    (&["responses"], "input[developer].content: list", MESSAGES),
    (&["responses"], "input[function_call_output].output[input_file].file_data: unknown", MESSAGES),
    (&["responses"], "input[function_call_output].output[input_file].filename: unknown", MESSAGES),
    (&["responses"], "input[function_call_output].output[input_text]: unknown", MESSAGES),
    (&["responses"], "input[user].content[input_file].file_url: unknown", MESSAGES),
    (&["responses"], "reasoning.effort: \"xhigh\"", PARAMETER),
];

/// Fields that the provider is expected to refuse.
pub(super) const EXPECTED_TO_FAIL: &[Entry] = &[(
    &["messages", "messages at bedrock", "messages at vertex"],
    "messages[user].content[tool_addition]: unknown",
    "a block for later instructions, which join the user's turn because most models refuse their role",
)];

/// Targets (none: all), the beginning of what is refused, and why.
pub(super) const REFUSED: &[Entry] = &[
    (&[], "the request is bound to a provider of the wire", "state that one provider keeps"),
    (&[], "the request has a part that only a provider of the wire", "one wire's own part of a user's turn"),
    (&[], "the request has a tool that only a provider of the wire", "the provider runs it"),
    (
        &["messages at bedrock", "messages at vertex"],
        "it does not run the tool",
        "in the wire author's guides",
    ),
    (
        &["messages at bedrock", "messages at vertex"],
        "it does not run what the field",
        "in the wire author's guides",
    ),
    (&[], "only the wire openai-chat supports the field", "it changes what the answer holds"),
    (
        &["deepseek", "groq", "llama.cpp", "mistral", "openai", "openrouter", "responses", "xai"],
        "this wire does not support top_k",
        "no such parameter",
    ),
    (&["deepseek"], "it cannot read images", "according to the catalogue"),
    (
        &["deepseek", "groq", "llama.cpp", "mistral", "xai"],
        "this host does not support documents",
        "it reads no documents in this form",
    ),
    (&["groq", "mistral"], "this host does not accept logprobs", "no such parameter"),
    (
        &["deepseek", "groq", "llama.cpp", "mistral", "openrouter", "xai"],
        "this host does not accept function",
        "older than tools, and known to OpenAI only",
    ),
    (
        &["deepseek", "groq", "llama.cpp", "mistral", "xai"],
        "this host does not accept audio",
        "it does not answer with audio",
    ),
    (
        &["deepseek", "groq", "llama.cpp", "mistral", "openrouter", "xai"],
        "this host does not support tools of the type custom",
        "it has functions only",
    ),
    (
        &["messages at bedrock", "messages at vertex"],
        "this host accepts images and documents as bytes, not by URL",
        "a recorded reply says so",
    ),
    (
        &[
            "messages",
            "messages at bedrock",
            "messages at vertex",
            "gemini",
            "vertex",
            "converse",
            "converse nova",
        ],
        "the request has instructions but no turn to answer",
        "a turn with an empty text is no turn there",
    ),
    (&["cohere", "ollama"], "the request has no turn to answer", "a turn with an empty text, as above"),
    (&["responses"], "this wire does not support frequency_penalty", "no such parameter"),
    (&["responses"], "this wire does not support stop", "no such parameter"),
    (
        &["messages", "messages at bedrock", "messages at vertex", "converse", "converse nova"],
        "this wire does not support penalties",
        "no such parameter",
    ),
    (
        &["gemini", "vertex"],
        "the request is invalid: a tool result matches no call in this conversation",
        "the wire names a result's function, which only the call tells",
    ),
    (&["gemini", "vertex"], "this wire does not support this reasoning effort", "a word of another provider"),
    (
        &["converse", "converse nova"],
        "this wire accepts images and documents as bytes, not by URL",
        "adapters fetch nothing",
    ),
    (
        &["converse", "converse nova"],
        "this wire cannot disable tool calls in a conversation that contains some",
        "it needs the tools, and has no such choice",
    ),
    (&["converse", "converse nova"], "this wire does not support data in the format", "no such block"),
    (&["cohere", "ollama"], "this wire allows only text in tool results", "results are texts"),
    (&["cohere"], "this wire cannot force one tool by name", "no such choice"),
    (&["cohere"], "this wire does not support documents of this kind", "documents are texts"),
    (&["ollama"], "this wire accepts images only as data", "adapters fetch nothing"),
    (&["ollama"], "this wire cannot force a tool call", "no such choice"),
    (&["ollama"], "this wire does not support documents", "messages hold text and images"),
];
