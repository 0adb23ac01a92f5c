//! A client that is described but not built.
//!
//! For trying out a configuration without sending anything, as a simulation does. Invariant: no key is read and no
//! connection made, and everything that `build` would reject is rejected here.

use std::sync::Arc;

use hotspare_core::Error;
use hotspare_engine::{Route, TargetSpec};
use hotspare_provider::Secret;

use super::ClientBuilder;
use super::transports::NoTransport;
use crate::endpoint::NetworkOptions;
use crate::key::Key;

/// What a client consists of, without keys, connections or a world. For the simulator, and not part of the interface for
/// applications.
#[doc(hidden)]
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outline {
    /// The targets, in the order in which they were added.
    pub targets: Vec<TargetSpec>,
    /// The routes: explicit ones first, then each target's own.
    pub routes: Vec<Arc<Route>>,
}

impl ClientBuilder {
    /// Describes the client without building it, to simulate it: no key is read, no connection made.
    ///
    /// # Errors
    /// As [`ClientBuilder::build`], except for keys.
    #[doc(hidden)]
    pub fn outline(mut self) -> Result<Outline, Error> {
        self.transport = Some(Arc::new(NoTransport));
        for (_, endpoint) in &mut self.targets {
            endpoint.options.network = NetworkOptions::default();
            if endpoint.wire.needs_key && endpoint.options.keys.is_empty() {
                endpoint.options.keys.push(Key::from_secret(Secret::new("none")));
            }
            // Equal sources stay equal, because targets that share a key share its health.
            for key in &mut endpoint.options.keys {
                *key = Key::from_secret(placeholder_key(key));
            }
        }
        let (client, targets) = self.assemble()?;
        Ok(Outline { targets, routes: client.shared().routes.clone() })
    }
}

/// A placeholder for a key that is not read: the name of its source, in characters that a header accepts.
fn placeholder_key(key: &Key) -> Secret {
    let name = format!("{key:?}");
    Secret::new(name.chars().map(|c| if c.is_ascii_graphic() { c } else { '-' }).collect::<String>())
}

#[cfg(all(test, feature = "openai"))]
mod tests {
    use crate::{Client, Key, RouteSpec, Sequential, openai};

    #[test]
    fn outline_builds_without_the_keys() {
        let target = |key| openai::target("gpt-4o").key(key);
        let builder = Client::builder()
            .target("main", target(Key::env("NO_SUCH_VARIABLE")))
            .target("spare", target(Key::file("/no such/file")))
            .route("chat", RouteSpec::new(Sequential::new(["main", "spare"])));
        let outline = builder.outline().unwrap();
        assert_eq!(outline.targets.len(), 2);
        assert_ne!(outline.targets[0].keys, outline.targets[1].keys, "they do not share their health");
    }
}
