//! `hotspare serve`.
//!
//! Not the server itself. Invariant: an address that other machines can reach is served without keys only with
//! `--insecure`.

use std::net::SocketAddr;
use std::path::Path;

use futures::Stream;
use hotspare::Client;
use hotspare_gateway::{ServeOptions, Setup, listen_on, raise_file_limit, serve_on};

use super::note;

/// Serves the configured routes.
pub(super) async fn serve(config: Option<&Path>, listen: Option<&str>, insecure: bool) -> Result<(), String> {
    let setup = match config {
        Some(path) => Setup::to_serve(path),
        None => Setup::from_env(),
    };
    serve_setup(setup.map_err(|error| error.to_string())?, listen, insecure).await
}

/// Serves the embedded providers.
#[cfg(feature = "demo")]
pub(super) async fn serve_embedded(listen: Option<&str>, insecure: bool) -> Result<(), String> {
    let embedded = hotspare_gateway::demo::Embedded::start().await.map_err(|error| error.to_string())?;
    let client = embedded.client().map_err(|error| error.to_string())?;
    let setup = Setup::of(client, format!("{} embedded providers", embedded.servers.len()));
    serve_setup(setup, listen, insecure).await
}

/// Why an address must not be served without keys, if so.
pub(super) fn exposed(listen: SocketAddr, options: &ServeOptions) -> Option<String> {
    (!listen.ip().is_loopback() && options.keys.is_empty()).then(|| {
        format!(
            "other machines can reach {listen}, so callers need a key: set server.client_keys, or pass --insecure"
        )
    })
}

async fn serve_setup(mut setup: Setup, listen: Option<&str>, insecure: bool) -> Result<(), String> {
    if let Some(address) = listen {
        setup.listen_at(address).map_err(|what| format!("--listen: {what}"))?;
    }
    let listen = setup.listen.unwrap_or(Setup::DEFAULT_LISTEN);
    setup.check_targets(listen)?;
    let mut options = setup.options;
    if let Some(why) = exposed(listen, &options).filter(|_| !insecure) {
        return Err(why);
    }
    let signals = signals()?;
    reload_on_hangup(&options, &setup.client)?;
    let wanted = options.max_connections;
    options.max_connections = raise_file_limit(wanted, &setup.client);
    if options.max_connections < wanted {
        tracing::warn!(
            target: "hotspare",
            "the limit of open files is too low for {wanted} connections, so at most {} are accepted: raise it (ulimit -Hn)",
            options.max_connections,
        );
    }
    let listener = listen_on(listen).map_err(|error| format!("{listen}: {error}"))?;
    let listen = listener.local_addr().unwrap_or(listen);
    for line in &setup.chosen {
        note(line);
    }
    if !options.keys.is_empty() && options.operator_keys.is_empty() {
        note(
            "every client key may also take targets out of service: set server.operator_keys to separate the two",
        );
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
