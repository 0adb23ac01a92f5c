//! The count of gateways that have passed a request on, which stops requests that go round in circles.
//!
//! Not a limit: the gateway that receives the count decides. Invariant: a public provider never gets it.

use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;

use hotspare_core::CallOptions;
use http::{HeaderMap, HeaderName, Uri};

/// The header with the count.
pub static HOPS_HEADER: HeaderName = HeaderName::from_static("x-hotspare-hops");

/// The header that tells a gateway the time left. A host that is sent it is a gateway, wherever it is.
pub static DEADLINE_HEADER: HeaderName = HeaderName::from_static("x-hotspare-deadline");

/// Tells which of a provider's requests get the count. It remembers the answer for the first URL: most providers have
/// one, and it would be read anew for each request.
#[derive(Clone, Default)]
pub(crate) struct Announcer {
    first: OnceLock<(String, bool)>,
}

impl Announcer {
    /// Adds the count to a request for `url`, if that may be another gateway.
    pub(crate) fn announce(
        &self,
        headers: &mut HeaderMap,
        options: &CallOptions,
        url: &str,
        is_gateway: bool,
    ) {
        if is_gateway || self.is_local(url) {
            headers.insert(HOPS_HEADER.clone(), u16::from(options.hops.saturating_add(1)).into());
        }
    }

    fn is_local(&self, url: &str) -> bool {
        let (first, first_is_local) = self.first.get_or_init(|| (url.to_owned(), is_local(url)));
        if first == url { *first_is_local } else { is_local(url) }
    }
}

/// Omits the URL, which may hold a key.
impl fmt::Debug for Announcer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Announcer")
    }
}

/// Whether a host is in the local network, as far as its name or address reveals.
fn is_local(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    match host.parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_unspecified(),
        Ok(IpAddr::V6(address)) => {
            address.is_loopback() || address.is_unique_local() || address.is_unspecified()
        }
        // Names of containers and services.
        Err(_) => {
            !host.contains('.') || [".local", ".internal", ".svc"].iter().any(|end| host.ends_with(end))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_in_the_local_network_get_the_count() {
        let announcer = Announcer::default();
        let told = |url: &str, is_gateway| {
            let mut headers = HeaderMap::new();
            let mut options = CallOptions::default();
            options.hops = 2;
            announcer.announce(&mut headers, &options, url, is_gateway);
            headers.get(&HOPS_HEADER).map(|value| value.to_str().unwrap().to_owned())
        };
        for url in [
            "http://127.0.0.1:8080/v1/messages",
            "http://localhost:8080/v1",
            "http://[::1]:8080/v1",
            "http://10.1.2.3/v1",
            "http://[fd00::1]/v1",
            "http://gateway:8080/v1",
            "http://gateway.prod.svc.cluster.local/v1",
            "http://user:secret@10.1.2.3:8080?x=https://api.openai.com",
        ] {
            assert_eq!(told(url, false).as_deref(), Some("3"), "{url}");
        }
        for url in [
            "https://api.openai.com/v1",
            "https://1.1.1.1/v1",
            "https://[2606:4700::1]/v1",
            "https://127.0.0.1@api.openai.com/v1",
            "https://api.openai.com?at=.local",
            "https://api.openai.com\\.local",
            "nonsense /",
        ] {
            assert_eq!(told(url, false), None, "{url}");
        }
        assert_eq!(told("https://gateway.example.com/v1", true).as_deref(), Some("3"));
    }

    #[test]
    fn a_remembered_answer_holds_for_its_own_url_only() {
        let (inside, outside) = ("http://gateway:8080/v1", "https://api.openai.com/v1");
        for (first, second) in [(inside, outside), (outside, inside)] {
            let announcer = Announcer::default();
            for url in [first, second, first, second] {
                assert_eq!(announcer.is_local(url), url.starts_with("http:"), "{first} {url}");
            }
        }
    }

    #[test]
    fn debug_output_omits_the_remembered_url() {
        let announcer = Announcer::default();
        announcer.is_local("https://user:secret@example.com?key=secret");
        assert!(!format!("{announcer:?}").contains("secret"));
    }
}
