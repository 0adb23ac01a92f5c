//! Connections for targets: one pool per set of network settings.
//!
//! Not a transport: the transport comes from `hotspare-http` or the application. Invariant: targets with the same
//! network settings share one pool.

use std::sync::Arc;

use hotspare_core::{Error, Kind};
#[cfg(feature = "_http")]
use hotspare_http::{HttpConfig, ReqwestTransport};
use hotspare_provider::Transport;

use crate::endpoint::NetworkOptions;

/// The connection pools by network settings.
pub(super) struct Transports {
    pub(super) custom: Option<Arc<dyn Transport>>,
    pub(super) pools: Vec<(NetworkOptions, Arc<dyn Transport>)>,
}

impl Transports {
    pub(super) fn for_options(&mut self, options: &NetworkOptions) -> Result<Arc<dyn Transport>, String> {
        if let Some(custom) = &self.custom {
            return Ok(Arc::clone(custom));
        }
        if let Some((_, pool)) = self.pools.iter().find(|(known, _)| known == options) {
            return Ok(Arc::clone(pool));
        }
        let transport = new_transport(options)?;
        self.pools.push((options.clone(), Arc::clone(&transport)));
        Ok(transport)
    }
}

#[cfg(feature = "_http")]
fn new_transport(options: &NetworkOptions) -> Result<Arc<dyn Transport>, String> {
    let mut config = HttpConfig::default();
    config.proxy.clone_from(&options.proxy);
    config.proxy_from_env = options.proxy_from_env;
    config.ca.clone_from(&options.ca);
    config.connect_timeout = options.connect.unwrap_or(config.connect_timeout);
    let transport = ReqwestTransport::new(&config).map_err(|error| error.message().to_owned())?;
    Ok(Arc::new(transport))
}

#[cfg(not(feature = "_http"))]
fn new_transport(_: &NetworkOptions) -> Result<Arc<dyn Transport>, String> {
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
