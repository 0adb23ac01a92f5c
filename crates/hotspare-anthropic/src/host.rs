//! The hosts that serve the wire, as data.
//!
//! Not a list of addresses: each target brings its own base URL. Invariant: no code asks which host it serves; a
//! difference is a field, and a new host is a new row.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Characters that need no escape in a path: the unreserved ones, and `@`, which some hosts use in model ids.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// How a host serves the wire: its differences from Anthropic's own API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host {
    /// The provider whose list in the model catalogue applies.
    pub id: &'static str,
    /// Path of whole answers under the base URL; `{model}` stands for the model's id.
    pub path: &'static str,
    /// Path of streams under the base URL.
    pub stream_path: &'static str,
    /// The version stated in the body, which then replaces the version header and the body's model.
    pub version: Option<&'static str>,
    /// Whether a field of the body asks for a stream.
    pub says_stream: bool,
    /// Whether betas are listed in the body instead of in a header.
    pub betas_in_body: bool,
    /// Whether images and documents may be named by a URL; otherwise a request with one is refused.
    pub url_sources: bool,
    /// Tools that Anthropic runs and this host does not, by the start of their type.
    pub absent_tools: &'static [&'static str],
    /// Whether the limit of an answer's length counts against the quota up front, so that a high one blocks requests
    /// that would have had room.
    pub reserves_output: bool,
    /// How the key is sent.
    pub auth: Auth,
}

/// How a key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// As a bearer token.
    Bearer,
    /// In the wire's own header.
    Header,
    /// Not by this wire, but by the code that wraps it or signs its requests.
    Outside,
}

impl Host {
    /// Anthropic, the wire's author.
    pub const AUTHOR: Self = Self {
        id: "anthropic",
        path: "/messages",
        stream_path: "/messages",
        version: None,
        says_stream: true,
        betas_in_body: false,
        url_sources: true,
        absent_tools: &[],
        reserves_output: false,
        auth: Auth::Header,
    };

    /// Amazon Bedrock, inside its envelope (see `hotspare-bedrock`). The base URL is scheme and host.
    pub const BEDROCK: Self = Self {
        id: "bedrock",
        path: "/model/{model}/invoke",
        stream_path: "/model/{model}/invoke-with-response-stream",
        version: Some("bedrock-2023-05-31"),
        says_stream: false,
        betas_in_body: true,
        // A recorded reply says so: `URL sources are not supported`.
        url_sources: false,
        // It runs none (Anthropic's guides to these tools, "Availability").
        absent_tools: &[
            "code_execution",
            "container",
            "mcp_servers",
            "mcp_toolset",
            "web_fetch",
            "web_search",
        ],
        reserves_output: true,
        auth: Auth::Outside,
    };

    /// Vertex AI. The base URL ends with `/publishers/anthropic/models`; see [`Host::vertex_address`].
    pub const VERTEX: Self = Self {
        id: "vertex",
        path: "/{model}:rawPredict",
        stream_path: "/{model}:streamRawPredict",
        version: Some("vertex-2023-10-16"),
        // As at Bedrock (BerriAI/litellm#18430).
        url_sources: false,
        // It runs `web_search` (Google's guide "Web search with Anthropic Claude models").
        absent_tools: &["code_execution", "container", "mcp_servers", "mcp_toolset", "web_fetch"],
        auth: Auth::Bearer,
        ..Self::AUTHOR
    };

    /// The base URL of a project's models at Vertex AI. `location` is a region or `global`.
    #[must_use]
    pub fn vertex_address(project: &str, location: &str) -> String {
        let part = |text| utf8_percent_encode(text, PATH).to_string();
        let (project, location) = (part(project), part(location));
        let region = if location == "global" { String::new() } else { format!("{location}-") };
        format!(
            "https://{region}aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/anthropic/models"
        )
    }

    /// The URL of a request.
    pub(crate) fn address(&self, base_url: &str, model: &str, stream: bool) -> String {
        let path = if stream { self.stream_path } else { self.path };
        match path.split_once("{model}") {
            Some((before, after)) => format!("{base_url}{before}{}{after}", utf8_percent_encode(model, PATH)),
            None => format!("{base_url}{path}"),
        }
    }
}
