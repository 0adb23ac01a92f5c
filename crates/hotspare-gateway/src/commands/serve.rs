//! `hotspare serve` and the `[server]` section.
//!
//! Not the server itself. Invariant: an address that other machines can reach is served without keys only with
//! `--insecure`.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;

use futures::Stream;
use hotspare::Client;
use hotspare::config::{KeyDto, ServerConfig};
use hotspare_gateway::{ClientKeys, ServeOptions, Setup, allow_files, serve_on};
use tokio::net::TcpListener;

use super::{note, setup};

/// Serves the configured routes.
pub(super) async fn serve(config: Option<&Path>, listen: Option<&str>, insecure: bool) -> Result<(), String> {
    let setup = setup(config)?;
    let listen = listen.map(address).transpose()?;
    let (configured, options) = serving(&setup.server)?;
    serve_setup(setup, options, listen.or(configured), insecure).await
}

/// Serves the embedded providers.
#[cfg(feature = "demo")]
pub(super) async fn serve_embedded(listen: Option<&str>, insecure: bool) -> Result<(), String> {
    let embedded = hotspare_gateway::demo::Embedded::start().await.map_err(|error| error.to_string())?;
    let client = embedded.client().map_err(|error| error.to_string())?;
    let setup = Setup::of(client, format!("{} embedded providers", embedded.servers.len()));
    let listen = listen.map(address).transpose()?;
    serve_setup(setup, ServeOptions::default(), listen, insecure).await
}

/// The address and options in the `[server]` section.
pub(super) fn serving(server: &ServerConfig) -> Result<(Option<SocketAddr>, ServeOptions), String> {
    let mut options = ServeOptions::default();
    let keys = |name: &str, source: &Option<KeyDto>| match source {
        None => Ok(ClientKeys::default()),
        Some(source) => {
            source.source().and_then(ClientKeys::from_source).map_err(|what| format!("server.{name}: {what}"))
        }
    };
    options.keys = keys("client_keys", &server.client_keys)?;
    options.operator_keys = keys("operator_keys", &server.operator_keys)?;
    let at_least_one = |name: &str, value: Option<usize>, usual: usize| match value {
        Some(0) => Err(format!("server.{name} must be at least 1")),
        value => Ok(value.unwrap_or(usual)),
    };
    options.max_body_bytes = at_least_one("max_body_bytes", server.max_body_bytes, options.max_body_bytes)?;
    options.max_body_memory_bytes =
        at_least_one("max_body_memory_bytes", server.max_body_memory_bytes, options.max_body_memory_bytes)?;
    options.idle_timeout = server.idle_timeout.unwrap_or(options.idle_timeout);
    if options.idle_timeout.is_zero() {
        return Err("server.idle_timeout must be longer than 0 s".into());
    }
    options.drain_timeout = server.drain_timeout.unwrap_or(options.drain_timeout);
    options.max_connections =
        at_least_one("max_connections", server.max_connections, options.max_connections)?;
    let listen = server.listen.as_deref().map(address).transpose();
    Ok((listen.map_err(|what| format!("server.listen: {what}"))?, options))
}

/// Parses an address to listen on, resolving a name.
fn address(text: &str) -> Result<SocketAddr, String> {
    let found = text.to_socket_addrs().map_err(|error| {
        format!("`{text}` is not an address such as 127.0.0.1:8080 or localhost:8080: {error}")
    })?;
    // `localhost` resolves to both ::1 and 127.0.0.1; prefer the latter, as in the default address.
    let mut found: Vec<SocketAddr> = found.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.into_iter().next().ok_or_else(|| format!("`{text}` has no address"))
}

/// Why an address must not be served without keys, if so.
pub(super) fn exposed(listen: SocketAddr, options: &ServeOptions) -> Option<String> {
    (!listen.ip().is_loopback() && options.keys.is_empty()).then(|| {
        format!(
            "other machines can reach {listen}, so callers need a key: set server.client_keys, or pass --insecure"
        )
    })
}

async fn serve_setup(
    setup: Setup,
    mut options: ServeOptions,
    listen: Option<SocketAddr>,
    insecure: bool,
) -> Result<(), String> {
    let listen = listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
    if let Some(why) = exposed(listen, &options).filter(|_| !insecure) {
        return Err(why);
    }
    let signals = signals()?;
    reload_on_hangup(&options, &setup.client)?;
    let wanted = options.max_connections;
    options.max_connections = allow_files(wanted);
    if options.max_connections < wanted {
        tracing::warn!(
            target: "hotspare",
            "the limit of open files is too low for {wanted} connections, so at most {} are accepted: raise it (ulimit -Hn)",
            options.max_connections,
        );
    }
    let listener = TcpListener::bind(listen).await.map_err(|error| format!("{listen}: {error}"))?;
    let listen = listener.local_addr().unwrap_or(listen);
    for line in &setup.chosen {
        note(line);
    }
    note(&format!("serving {} at http://{listen}/v1", setup.client.names().join(", ")));
    serve_on(listener, setup.client, options, signals).await.map_err(|error| error.to_string())
}

/// Re-reads all keys on SIGHUP, which would otherwise terminate the process.
fn reload_on_hangup(options: &ServeOptions, client: &Client) -> Result<(), String> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangups =
            signal(SignalKind::hangup()).map_err(|error| format!("cannot listen for signals: {error}"))?;
        let (keys, operators, client) = (options.keys.clone(), options.operator_keys.clone(), client.clone());
        tokio::spawn(async move {
            while hangups.recv().await.is_some() {
                let ((), (), renewed) = tokio::join!(keys.reload(), operators.reload(), client.reload_keys());
                tracing::info!(target: "hotspare", renewed, "keys read again after SIGHUP");
            }
        });
    }
    #[cfg(not(unix))]
    let _ = (options, client);
    Ok(())
}

/// Yields once for every signal to stop.
fn signals() -> Result<impl Stream<Item = ()>, String> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
        let both = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(futures::stream::unfold(both, async |(mut interrupt, mut terminate)| {
            let more = tokio::select! {
                more = interrupt.recv() => more,
                more = terminate.recv() => more,
            };
            more.map(|()| ((), (interrupt, terminate)))
        }))
    }
    #[cfg(not(unix))]
    {
        Ok(futures::stream::unfold((), async |()| tokio::signal::ctrl_c().await.ok().map(|()| ((), ()))))
    }
}
