//! Whether a target can serve a request at all.
//!
//! Not whether it is healthy. Invariant: unknown properties exclude no target, and an estimate excludes only by a
//! margin.

use std::fmt;

use hotspare_core::{ChatRequest, ModelProfile};

/// Tokens reserved for an answer without an output limit: this many, but at most this part of the window.
const USUAL_ROOM: u64 = 1_024;
const ROOM_PART: u64 = 8;

/// What a request needs of a model's context window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Need {
    /// Tokens of the prompt, as the model counts them.
    pub prompt: u64,
    /// By how much the count may be too high, in per cent.
    pub margin: u64,
    /// A request that needed this many tokens was recently rejected as too long.
    pub overflow: Option<u64>,
    /// The window that the target has named, if it is smaller than what is known about the model.
    pub window: Option<u64>,
}

impl Need {
    /// A prompt of this many tokens, of which up to `margin` per cent may be counted in error.
    #[must_use]
    pub fn new(prompt: u64, margin: u64) -> Self {
        Self { prompt, margin, ..Self::default() }
    }

    /// The most tokens that the prompt may have: the count may be as much too low as too high.
    #[must_use]
    pub fn most_prompt(&self) -> u64 {
        self.prompt.saturating_add((self.prompt / 100).saturating_mul(self.margin))
    }

    /// The context window: the smaller of what is known about the model and what the target has named.
    #[must_use]
    pub fn window(&self, profile: &ModelProfile) -> Option<u64> {
        profile.context_window.into_iter().chain(self.window).min()
    }

    /// Tokens reserved for the answer: as many as the request allows and the model supports, or a usual length.
    #[must_use]
    pub fn room(request: &ChatRequest, profile: &ModelProfile, window: u64) -> u64 {
        match request.max_output {
            Some(wanted) => wanted.min(profile.max_output.unwrap_or(u64::MAX)),
            None => USUAL_ROOM.min(window / ROOM_PART),
        }
    }
}

/// Why a target cannot serve a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ineligible {
    /// It does not run a tool that other providers of the wire run.
    AbsentTool(&'static str),
    /// It does not run the tools that this field of the request brings, as other providers of the wire do.
    AbsentField(&'static str),
    /// It produces no embeddings.
    NoEmbeddings,
    /// It cannot call tools.
    NoTools,
    /// It cannot read images.
    NoVision,
    /// The prompt and the answer do not fit.
    Window {
        /// Estimated tokens needed.
        needs: u64,
        /// The window, in tokens.
        holds: u64,
    },
    /// They do not fit the window that the target named when it rejected another request as too long.
    Named {
        /// Estimated tokens needed.
        needs: u64,
        /// The window, in tokens.
        holds: u64,
    },
    /// A request of at most this length was recently rejected as too long.
    Overflowed {
        /// Estimated tokens needed.
        needs: u64,
        /// Tokens of the rejected request.
        lately: u64,
    },
}

impl fmt::Display for Ineligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AbsentTool(tool) => write!(f, "it does not run the tool {tool}"),
            Self::AbsentField(field) => write!(f, "it does not run what the field {field} asks for"),
            Self::NoEmbeddings => f.write_str("it does not support embeddings"),
            Self::NoTools => f.write_str("it cannot call tools"),
            Self::NoVision => f.write_str("it cannot read images"),
            Self::Window { needs, holds } => {
                write!(f, "the request needs about {needs} tokens, its window holds {holds}")
            }
            Self::Named { needs, holds } => {
                write!(
                    f,
                    "the request needs about {needs} tokens, and by its own account its window holds {holds}"
                )
            }
            Self::Overflowed { needs, lately } => {
                write!(
                    f,
                    "the request needs about {needs} tokens, but it recently rejected {lately} as too many"
                )
            }
        }
    }
}

/// Why `profile`'s model cannot serve `request`, if it cannot.
#[must_use]
pub fn ineligible(request: &ChatRequest, profile: &ModelProfile, need: Need) -> Option<Ineligible> {
    let can = &profile.capabilities;
    if !request.tools.is_empty() && can.tools == Some(false) {
        return Some(Ineligible::NoTools);
    }
    if can.vision == Some(false) && request.has_images() {
        return Some(Ineligible::NoVision);
    }
    if let Some(absent) = absent_tool(request, profile) {
        return Some(absent);
    }
    let window = need.window(profile).unwrap_or(u64::MAX);
    let needs = need.prompt.saturating_add(Need::room(request, profile, window));
    let certain = needs.saturating_sub(need.prompt / 100 * need.margin);
    if certain > window {
        let known = profile.context_window == Some(window);
        let holds = window;
        return Some(if known {
            Ineligible::Window { needs, holds }
        } else {
            Ineligible::Named { needs, holds }
        });
    }
    need.overflow.filter(|lately| needs >= *lately).map(|lately| Ineligible::Overflowed { needs, lately })
}

/// The tool of the request that providers of the wire run, but not this one, or the field that brings such tools.
#[must_use]
pub fn absent_tool(request: &ChatRequest, profile: &ModelProfile) -> Option<Ineligible> {
    let absent = profile.capabilities.absent_tools.filter(|absent| !absent.is_empty())?;
    let mut tools = request.native_tools.iter().map(|tool| tool.raw.to_value());
    let tool = tools.find_map(|tool| {
        let kind = tool["type"].as_str()?;
        absent.iter().copied().find(|absent| kind.starts_with(absent))
    });
    let mut fields = request.extras.values().flatten().filter(|(_, value)| !value.is_null_or_empty_list());
    let mut field = || fields.find_map(|(name, _)| absent.iter().copied().find(|absent| name == absent));
    tool.map(Ineligible::AbsentTool).or_else(|| field().map(Ineligible::AbsentField))
}

impl Ineligible {
    /// Whether the only obstacle is the request's length.
    #[must_use]
    pub fn is_length(&self) -> bool {
        matches!(self, Self::Window { .. } | Self::Named { .. } | Self::Overflowed { .. })
    }
}

/// Why `profile`'s model cannot produce embeddings, if it cannot. Windows apply to each input rather than to their sum,
/// and are left to the provider.
#[must_use]
pub fn ineligible_to_embed(profile: &ModelProfile) -> Option<Ineligible> {
    (profile.capabilities.embeddings == Some(false)).then_some(Ineligible::NoEmbeddings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(prompt: u64, margin: u64) -> Need {
        Need { prompt, margin, ..Need::default() }
    }

    #[test]
    fn unknown_limits_exclude_nothing_and_reasons_name_numbers() {
        let request = ChatRequest::to("r").user("x").max_output(100);
        assert_eq!(ineligible(&request, &ModelProfile::default(), need(1_000_000, 15)), None);
        let mut small = ModelProfile::default();
        small.context_window = Some(2_048);
        let why = ineligible(&request, &small, need(9_031, 15)).unwrap();
        assert_eq!(why.to_string(), "the request needs about 9131 tokens, its window holds 2048");
        assert_eq!(
            ineligible(&request, &small, need(2_000, 15)),
            None,
            "an estimate that is a little over may be wrong"
        );
        assert!(ineligible(&request, &small, need(2_000, 2)).is_some(), "a count is not");
    }

    #[test]
    fn a_tool_that_this_provider_does_not_run_excludes_it() {
        let tool = |kind: &str| {
            let mut request = ChatRequest::to("r").user("x");
            let tool = format!(r#"{{"type":"{kind}","name":"t"}}"#);
            let tool = hotspare_core::Json::parse(&tool).unwrap();
            request.native_tools.push(hotspare_core::Native::new("w", tool));
            request
        };
        let mut model = ModelProfile::default();
        assert_eq!(ineligible(&tool("search_1"), &model, Need::default()), None);
        model.capabilities.absent_tools = Some(&["search"]);
        let why = ineligible(&tool("search_1"), &model, Need::default()).unwrap();
        assert_eq!(why.to_string(), "it does not run the tool search");
        assert!(!why.is_length());
        assert_eq!(ineligible(&tool("shell_1"), &model, Need::default()), None);
        let with_field = |value: &str| {
            let value = hotspare_core::Json::parse(value).unwrap();
            let mut request = ChatRequest::to("r").user("x");
            request.extras.entry("w".into()).or_default().insert("search".into(), value);
            ineligible(&request, &model, Need::default()).map(|why| why.to_string())
        };
        let why = "it does not run what the field search asks for";
        assert_eq!(with_field(r#"[{"url":"u"}]"#).as_deref(), Some(why));
        assert_eq!((with_field("null"), with_field("[]")), (None, None));
    }

    #[test]
    fn answer_without_a_limit_reserves_a_default() {
        let mut model = ModelProfile::default();
        model.context_window = Some(100_000);
        let request = ChatRequest::to("r").user("x");
        assert_eq!(ineligible(&request, &model, need(98_976, 0)), None);
        assert!(ineligible(&request, &model, need(98_977, 0)).is_some());
    }

    #[test]
    fn lower_max_output_does_not_exclude_a_target() {
        let mut model = ModelProfile::default();
        (model.context_window, model.max_output) = (Some(100_000), Some(64_000));
        let request = ChatRequest::to("r").user("x").max_output(100_000);
        assert_eq!(ineligible(&request, &model, need(36_000, 0)), None);
        assert!(ineligible(&request, &model, need(36_001, 0)).is_some());
    }

    #[test]
    fn prompt_beyond_a_recent_overflow_is_ineligible() {
        let request = ChatRequest::to("r").user("x").max_output(100);
        let at = |prompt| Need { prompt, margin: 30, overflow: Some(5_000), window: None };
        assert_eq!(ineligible(&request, &ModelProfile::default(), at(4_899)), None);
        let why = ineligible(&request, &ModelProfile::default(), at(4_900)).unwrap();
        assert!(why.is_length() && why.to_string().contains("recently rejected 5000"), "{why}");
    }

    #[test]
    fn window_that_the_target_named_counts_if_it_is_smaller() {
        let request = ChatRequest::to("r").user("x").max_output(100);
        let named = |window| Need { prompt: 5_000, window, ..Need::default() };
        let mut model = ModelProfile::default();
        let why = ineligible(&request, &model, named(Some(4_096))).unwrap();
        assert!(why.is_length());
        let told = "the request needs about 5100 tokens, and by its own account its window holds 4096";
        assert_eq!(why.to_string(), told);
        model.context_window = Some(8_192);
        assert!(ineligible(&request, &model, named(Some(4_096))).is_some());
        assert_eq!(ineligible(&request, &model, named(Some(100_000))), None);
        model.context_window = Some(2_048);
        let why = ineligible(&request, &model, named(Some(4_096))).unwrap();
        assert_eq!(why, Ineligible::Window { needs: 5_100, holds: 2_048 });
    }
}
