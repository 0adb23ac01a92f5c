//! Connections for targets: one pool per set of network settings.
//!
//! Not a transport: the transport comes from `hotspare-http` or the application. Invariant: targets with the same
//! network settings share one pool.

use std::sync::Arc;

use hotspare_core::{Error, Kind};
#[cfg(feature = "_http")]
use hotspare_http::{HttpConfig, ReqwestTransport};
use hotspare_provider::Transport;

use crate::endpoint::Net;

/// The connection pools by network settings.
pub(super) struct Transports {
    pub(super) given: Option<Arc<dyn Transport>>,
    pub(super) made: Vec<(Net, Arc<dyn Transport>)>,
}

impl Transports {
    pub(super) fn for_net(&mut self, net: &Net) -> Result<Arc<dyn Transport>, String> {
        if let Some(given) = &self.given {
            return Ok(Arc::clone(given));
        }
        if let Some((_, made)) = self.made.iter().find(|(known, _)| known == net) {
            return Ok(Arc::clone(made));
        }
        let transport = make(net)?;
        self.made.push((net.clone(), Arc::clone(&transport)));
        Ok(transport)
    }
}

#[cfg(feature = "_http")]
fn make(net: &Net) -> Result<Arc<dyn Transport>, String> {
    let mut config = HttpConfig::default();
    config.proxy.clone_from(&net.proxy);
    config.proxy_from_env = net.proxy_from_env;
    config.ca.clone_from(&net.ca);
    config.connect_timeout = net.connect.unwrap_or(config.connect_timeout);
    let transport = ReqwestTransport::new(&config).map_err(|error| error.message().to_owned())?;
    Ok(Arc::new(transport))
}

#[cfg(not(feature = "_http"))]
fn make(_: &Net) -> Result<Arc<dyn Transport>, String> {
    Err("this build has no HTTP transport; give the client one with `transport`".into())
}

/// A placeholder where no transport could be made; the build fails before it is used.
#[derive(Debug)]
pub(super) struct NoTransport;

#[async_trait::async_trait]
impl Transport for NoTransport {
    async fn send(
        &self,
        _: hotspare_provider::HttpRequest,
    ) -> Result<hotspare_provider::HttpResponse, Error> {
        Err(Error::new(Kind::Config, "there is no transport"))
    }
}
