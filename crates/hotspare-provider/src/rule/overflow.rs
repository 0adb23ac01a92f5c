//! The numbers in sentences that reject a prompt as too long.
//!
//! Says nothing about whether a sentence is such a rejection: the rules do. Invariant: only phrases that name what a number
//! counts are read, so that a status, a size in bytes or an excess is never taken for a window.

use hotspare_core::Overflow;

/// Phrases in lower case in which `#` is the number of tokens that fit, and `@` any other number.
const LIMITS: &[&str] = &[
    "context length is # tokens",
    "context length is only # tokens",
    "context length of # tokens",
    "context length of only # tokens",
    "maximum context length of #",
    "maximum context length: #",
    "> # maximum",
    "context limit: @ + @ > #",
    "number of tokens allowed (#)",
    "number of tokens allowed #",
    "only supports up to #",
    "available context size (# tokens)",
    "exceeds context size (#)",
    "configured context size is #",
    "maximum prompt length is #",
    "limit for this model is # tokens",
    "maximum model length of #",
    "total tokens limit #",
    "max_seq_len (#)",
    "max_seq_len #",
    "max_model_len #",
    "maximum input length #",
    "maximum input length is # tokens",
    "maximum input length of # tokens",
    "maximum allowed length (# tokens)",
    "max input tokens: #",
    "exceeding max # tokens",
    "must have less than # tokens",
    "`max_new_tokens` must be <= #",
    "'max_new_tokens' must not exceed #",
    "model token limit: #",
    "model with # maximum context length",
    "input length should be [@, #]",
];

/// Phrases in which `#` is the number of tokens of the prompt. Hosts that say "about" have not counted.
const PROMPTS: &[&str] = &[
    "(# in the messages, @ in the completion)",
    "(# in your prompt; @ for the completion)",
    "messages resulted in # tokens",
    "too long: # tokens >",
    "context limit: # + @ >",
    "input token count (#) exceeds",
    "input token count is # but",
    "input token count: #",
    "request (# tokens) exceeds",
    "request contains # tokens",
    "request length # + @ is greater",
    "prompt tokens (#) exceeds",
    "prompt_tokens (#) must",
    "prompt contains # tokens",
    "prompt has # tokens",
    "prompt (length #) is longer",
    "prompt length # exceeds",
    "input length # exceeds",
    "input length (# tokens) exceeds",
    "input tokens # cannot exceed",
    "you passed # input tokens",
    "# tokens from the input messages",
    "given: # `inputs` tokens",
];

/// What a rejection as too long states, and the texts that say so.
pub(super) fn stated(text: &str) -> Option<(Overflow, Vec<String>)> {
    let text = text.to_ascii_lowercase();
    let first = |phrases: &[&str]| phrases.iter().find_map(|phrase| number(&text, phrase));
    let (prompt, limit) = (first(PROMPTS), first(LIMITS));
    let said = [prompt, limit].into_iter().flatten().map(|(_, said)| said.to_owned()).collect();
    Some((Overflow::new(prompt.map(|(tokens, _)| tokens), limit.map(|(tokens, _)| tokens))?, said))
}

/// The number at `#` where the phrase first occurs, and that text.
fn number<'a>(text: &'a str, phrase: &str) -> Option<(u64, &'a str)> {
    let starts = text.char_indices().map(|(at, _)| at);
    starts.filter(|at| !splits_number(text, *at)).find_map(|at| number_here(&text[at..], phrase))
}

/// Whether this place is within a number.
fn splits_number(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    digit(at) && at > 0 && (digit(at - 1) || (is_separator(bytes[at - 1]) && at > 1 && digit(at - 2)))
}

fn number_here<'a>(text: &'a str, phrase: &str) -> Option<(u64, &'a str)> {
    let mut rest = text;
    let mut found = None;
    for part in phrase.split_inclusive(['#', '@']) {
        let literal = part.trim_end_matches(['#', '@']);
        rest = rest.strip_prefix(literal)?;
        if literal.len() < part.len() {
            let (value, after) = leading_number(rest)?;
            found = if part.ends_with('#') { Some(value?) } else { found };
            rest = after;
        }
    }
    Some((found?, &text[..text.len() - rest.len()]))
}

/// The number that a text starts with, with or without separators between its digits (none if it is too large), and what
/// follows it.
fn leading_number(text: &str) -> Option<(Option<u64>, &str)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let within = |at: &usize| digit(*at) || (*at > 0 && is_separator(bytes[*at]) && digit(*at + 1));
    let end = (0..bytes.len()).take_while(within).count();
    let digits: String = text[..end].chars().filter(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| (digits.parse().ok(), &text[end..]))
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b',' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<u64>, Option<u64>) {
        stated(text).map_or((None, None), |(overflow, _)| (overflow.prompt, overflow.limit))
    }

    #[test]
    fn numbers_are_read_from_the_sentences_of_many_hosts() {
        for (text, prompt, limit) in [
            (
                "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens (8000 in the messages, 1000 in the completion).",
                8_000,
                8_192,
            ),
            (
                "This model's maximum context length is 4097 tokens, however you requested 4105 tokens (105 in your prompt; 4000 for the completion).",
                105,
                4_097,
            ),
            (
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
                9_001,
                8_192,
            ),
            ("prompt is too long: 208310 tokens > 200000 maximum", 208_310, 200_000),
            (
                "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input length",
                190_000,
                200_000,
            ),
            (
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
                1_200_000,
                1_048_576,
            ),
            ("the input token count is 40000 but model only supports up to 32767.", 40_000, 32_767),
            (
                "request (2009 tokens) exceeds the available context size (512 tokens), try increasing it",
                2_009,
                512,
            ),
            ("Prompt tokens (70213) exceeds context size (32768)", 70_213, 32_768),
            (
                "This model's maximum prompt length is 131072 but the request contains 625077 tokens.",
                625_077,
                131_072,
            ),
            (
                "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
                40_000,
                32_768,
            ),
            ("Prompt has 34,000 tokens, but the configured context size is 32,768 tokens", 34_000, 32_768),
            (
                "The decoder prompt (length 5012) is longer than the maximum model length of 4096. Make sure",
                5_012,
                4_096,
            ),
            (
                "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model",
                5_000,
                4_096,
            ),
            ("length of prompt_tokens (33281) must be less than max_seq_len (32768).", 33_281, 32_768),
            ("Requested input length 132490 exceeds maximum input length 32767", 132_490, 32_767),
            (
                "The engine prompt length 1327246 exceeds the max_model_len 131072. Please reduce prompt.",
                1_327_246,
                131_072,
            ),
            (
                "You passed 40961 input tokens and requested 0 output tokens. However, the model's context length is only 40960 tokens",
                40_961,
                40_960,
            ),
            ("Too many input tokens. Max input tokens: 8192, request input token count: 9000", 9_000, 8_192),
            ("Request length 71599 + 2048 is greater than max_seq_len 65536", 71_599, 65_536),
            ("Input length (5000 tokens) exceeds the maximum allowed length (4096 tokens).", 5_000, 4_096),
            (
                "maximum context length of 32768 tokens. You requested a total of 40000 tokens: 30000 tokens from the input messages and 10000 tokens for the completion.",
                30_000,
                32_768,
            ),
            (
                "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` tokens and 512 `max_new_tokens`",
                4_000,
                4_096,
            ),
            // A relay quotes it.
            (
                r#"Provider returned error: {"error":{"message":"prompt is too long: 208310 tokens > 200000 maximum"}}"#,
                208_310,
                200_000,
            ),
        ] {
            assert_eq!(read(text), (Some(prompt), Some(limit)), "{text}");
        }
    }

    #[test]
    fn numbers_of_other_things_are_not_read() {
        for (text, limit) in [
            (
                "maximum context length is 200000 tokens. However, you requested about 2500021 tokens (2500021 of text input).",
                Some(200_000),
            ),
            (
                "maximum context length is 8192 tokens, you requested 9000 tokens (8000 in the messages, 500 in the functions, 500 in the completion)",
                Some(8_192),
            ),
            (
                "too many tokens: size limit exceeded by 25836 tokens. The limit for this model is 288000 tokens.",
                Some(288_000),
            ),
            ("Range of input length should be [1, 30720]", Some(30_720)),
            ("prompt too long; exceeded max context length by 1119046 tokens", None),
            ("invalid params, context window exceeds limit (2013)", None),
            ("Input is too long for requested model.", None),
            ("max_tokens must be at least 1, got -186.", None),
            ("request is too large to process: 33554433 bytes > 33554432", None),
            ("maximum context length is 0 tokens", None),
            ("maximum context length is 1000000000000000000 tokens", None),
            ("maximum context length is 99999999999999999999999 tokens", None),
            ("maximum context length is", None),
            ("", None),
        ] {
            assert_eq!(read(text), (None, limit), "{text}");
        }
        assert_eq!(number("1,234 and 5 tokens from it", "# tokens from"), Some((5, "5 tokens from")));
        assert_eq!(number("1,234 tokens from", "# tokens from"), Some((1_234, "1,234 tokens from")));
    }
}
