//! Who serves the wire, as data.
//!
//! Not a list of addresses: a base address comes with each target. Invariant: nobody asks who a host is; what differs is a
//! field, and a new host is a new row.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a path as it is: unreserved characters, and `@`, which some hosts' ids of models hold.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// How a host serves the wire: what differs from its author's own address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Host {
    /// Whose list in a catalogue of models applies.
    pub id: &'static str,
    /// Where whole answers are asked for, behind the base address; `{model}` stands for the model's id.
    pub path: &'static str,
    /// Where streams are asked for.
    pub stream_path: &'static str,
    /// The version that is named in the body, in place of the model there and of the version's header.
    pub version: Option<&'static str>,
    /// Whether a field of the body asks for a stream.
    pub says_stream: bool,
    /// Whether betas are named in the body instead of in a header.
    pub betas_in_body: bool,
    /// Whether the limit of an answer's length counts against the quota before a word is said, so that a high one costs
    /// requests that would have had room.
    pub reserves_output: bool,
    /// How the key is shown.
    pub auth: Auth,
}

/// How a key is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Auth {
    /// As a bearer.
    Bearer,
    /// In the wire's own header.
    Header,
    /// Not by this wire: whoever wraps it or signs its requests does.
    Outside,
}

impl Host {
    /// The wire's author.
    pub const AUTHOR: Self = Self {
        id: "anthropic",
        path: "/messages",
        stream_path: "/messages",
        version: None,
        says_stream: true,
        betas_in_body: false,
        reserves_output: false,
        auth: Auth::Header,
    };

    /// Amazon Bedrock, inside its envelope (`hotspare-bedrock` has it). The base address is scheme and host.
    pub const BEDROCK: Self = Self {
        id: "bedrock",
        path: "/model/{model}/invoke",
        stream_path: "/model/{model}/invoke-with-response-stream",
        version: Some("bedrock-2023-05-31"),
        says_stream: false,
        betas_in_body: true,
        reserves_output: true,
        auth: Auth::Outside,
    };

    /// Vertex AI. The base address ends with `/publishers/anthropic/models`; see [`Host::vertex_address`].
    pub const VERTEX: Self = Self {
        id: "vertex",
        path: "/{model}:rawPredict",
        stream_path: "/{model}:streamRawPredict",
        version: Some("vertex-2023-10-16"),
        auth: Auth::Bearer,
        ..Self::AUTHOR
    };

    /// The base address of a project's models at Vertex AI. `location` is a region or `global`.
    #[must_use]
    pub fn vertex_address(project: &str, location: &str) -> String {
        let part = |text| utf8_percent_encode(text, PATH).to_string();
        let (project, location) = (part(project), part(location));
        let region = if location == "global" { String::new() } else { format!("{location}-") };
        format!(
            "https://{region}aiplatform.googleapis.com/v1/projects/{project}/locations/{location}/publishers/anthropic/models"
        )
    }

    /// The address of a request.
    pub(crate) fn address(&self, base_url: &str, model: &str, stream: bool) -> String {
        let path = if stream { self.stream_path } else { self.path };
        match path.split_once("{model}") {
            Some((before, after)) => format!("{base_url}{before}{}{after}", utf8_percent_encode(model, PATH)),
            None => format!("{base_url}{path}"),
        }
    }
}
