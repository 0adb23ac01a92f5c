//! One target: from its description to what the engine and the driver need.
//!
//! Not routes. Invariant: every mistake of a target is found, not only the first.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hotspare_core::TargetId;
use hotspare_engine::TargetSpec;
use hotspare_provider::{DEADLINE_HEADER, HttpProvider, Secret, credential_header};

use super::transports::{NoTransport, Transports};
use crate::endpoint::{Backend, Endpoint, NetworkOptions};
use crate::key::KeySlot;
use crate::shared::ConnectedTarget;

/// Connects a target. What is wrong with it is added to `mistakes`.
pub(super) fn connect(
    name: TargetId,
    endpoint: Endpoint,
    transports: &mut Transports,
    mistakes: &mut Vec<String>,
) -> (TargetSpec, ConnectedTarget) {
    let mut profile = endpoint.model_profile();
    let custom_transport = transports.custom.is_some();
    mistakes.extend(ineffective_setting(&endpoint, custom_transport));
    let Endpoint { wire, model, mut options, .. } = endpoint;
    mistakes.append(&mut options.mistakes);
    if options.keys.is_empty() {
        options.keys.extend(wire.default_key);
    }
    if model.trim().is_empty() {
        mistakes.push("the model's name is empty".into());
    }
    if wire.needs_key && options.keys.is_empty() {
        mistakes.push(
            "it needs a key: `.key(Key::env(\"NAME\"))`, or keys = [{ env = \"NAME\" }] in a configuration"
                .into(),
        );
    }
    let limits = [
        ("max_in_flight", options.max_in_flight.map(u64::from)),
        ("requests_per_minute", options.requests_per_minute),
        ("tokens_per_minute", options.tokens_per_minute),
    ];
    for (knob, _) in limits.iter().filter(|(_, limit)| *limit == Some(0)) {
        mistakes.push(format!("{knob} must be at least 1"));
    }
    if options.network.connect.is_some_and(|limit| limit.is_zero()) {
        mistakes.push("connect must be longer than 0s".into());
    }
    if let Err(error) = options.breaker.validate() {
        mistakes.push(error.to_string());
    }
    let mut keys = Vec::new();
    let mut fingerprints = Vec::new();
    for key in &options.keys {
        if let Some(credentials) = key.credentials() {
            fingerprints.push(Arc::as_ptr(credentials).addr() as u64);
            keys.push(Arc::new(KeySlot::fetched(Arc::clone(credentials))));
            continue;
        }
        match key.resolve() {
            Ok(secret) => {
                fingerprints.push(fingerprint(&secret));
                keys.push(Arc::new(KeySlot::read(key.clone(), secret)));
            }
            Err(what) => mistakes.push(what),
        }
    }
    let provider = match wire.backend {
        Backend::Provider(provider) => provider,
        Backend::Wire(codec) => match transports.for_options(&options.network) {
            Ok(transport) => {
                let mut provider =
                    HttpProvider::new(codec, transport).with_signer(options.signer.or(wire.signer));
                if let Some(name) = &options.deadline_header {
                    mistakes.extend(taken_header(name).map(|why| format!("deadline_header: {why}")));
                    match hotspare_provider::header(name, "") {
                        Ok((name, _)) => provider = provider.with_deadline_header(name),
                        Err(error) => mistakes.push(format!("deadline_header: {}", error.message())),
                    }
                }
                Arc::new(provider)
            }
            Err(what) => {
                mistakes.push(what);
                Arc::new(HttpProvider::new(codec, Arc::new(NoTransport)))
            }
        },
    };
    profile.think_tags = options.think_tags.or(profile.think_tags);
    profile.capabilities = profile.capabilities.or(&provider.capabilities(&model));
    let address = options.health_group.clone().unwrap_or(wire.address);
    let mut spec = TargetSpec::new(name.clone(), address, model.clone(), provider.wire());
    spec.host = options.health_group.unwrap_or(wire.host);
    spec.profile = profile;
    spec.price_list = options.catalog;
    spec.keys = fingerprints;
    spec.max_in_flight = options.max_in_flight;
    spec.requests_per_minute = options.requests_per_minute;
    spec.tokens_per_minute = options.tokens_per_minute;
    spec.health = options.breaker;
    spec.probe = options.probe;
    let model = model.into();
    let embeds = AtomicBool::new(spec.profile.embeds());
    let (prompt, base_url) = (options.prompt, wire.base_url);
    let target = ConnectedTarget { id: name, provider, model, keys, prompt, base_url, embeds };
    (spec, target)
}

/// Gives a custom provider a name for its health, shared by all targets that use the same provider.
pub(super) fn assign_custom_host(
    name: &TargetId,
    endpoint: &mut Endpoint,
    custom_hosts: &mut Vec<(*const (), String)>,
) {
    let Backend::Provider(provider) = &endpoint.wire.backend else { return };
    if !endpoint.wire.host.is_empty() || endpoint.options.health_group.is_some() {
        return;
    }
    let at = Arc::as_ptr(provider).cast::<()>();
    let known = custom_hosts.iter().find(|(known, _)| *known == at).map(|(_, host)| host.clone());
    let host = known.unwrap_or_else(|| {
        let host = format!("the provider of {name}");
        custom_hosts.push((at, host.clone()));
        host
    });
    endpoint.wire.address.clone_from(&host);
    endpoint.wire.host = host;
}

/// Connection settings that would have no effect because the connection is not made here. They are mistakes: ignoring a
/// proxy, for one, could go unnoticed.
fn ineffective_setting(endpoint: &Endpoint, custom_transport: bool) -> Option<String> {
    let custom = matches!(endpoint.wire.backend, Backend::Provider(_));
    let has_network_options = endpoint.options.network != NetworkOptions::default();
    let settings = [
        ("proxy, ca and connect_timeout", has_network_options && (custom || custom_transport)),
        ("a signer", custom && endpoint.options.signer.is_some()),
        ("deadline_header", custom && endpoint.options.deadline_header.is_some()),
    ];
    let what = settings.iter().find(|(_, ineffective)| *ineffective)?.0;
    let whose = if custom { "its provider" } else { "the transport that the client was given" };
    Some(format!("{what}: no effect, because {whose} makes the connections"))
}

/// Why the time left cannot be sent in a header of this name, if it has another meaning.
fn taken_header(name: &str) -> Option<String> {
    let is_taken =
        ["accept", "content-type", "host", "user-agent"].iter().any(|taken| taken.eq_ignore_ascii_case(name));
    let taken = || format!("`{name}` has a meaning of its own: use a name such as {DEADLINE_HEADER}");
    credential_header(name).or_else(|| is_taken.then(taken))
}

/// Distinguishes keys without keeping them.
fn fingerprint(secret: &Secret) -> u64 {
    let mut hasher = DefaultHasher::new();
    secret.expose().hash(&mut hasher);
    hasher.finish()
}
