//! The streaming contract: opened first, events in order, a single end.

use futures::StreamExt;
use hotspare_core::Event;

use super::report::Report;
use super::transport::CallRecord;
use crate::provider::{Outbound, Provider, Signal};

/// Sends one request to a live provider and checks the stream: for providers that are not a [`Wire`](crate::Wire). The
/// request must succeed; test failures against the provider's own server.
pub async fn stream_contract(provider: &dyn Provider, call: Outbound) -> Report {
    let mut report = Report::default();
    let mut signals = Vec::new();
    let outcome = match provider.send(call).await {
        Err(error) => Err(error.to_string()),
        Ok(mut stream) => loop {
            match stream.next().await {
                None => break Ok(()),
                Some(Err(error)) => break Err(error.to_string()),
                Some(Ok(signal)) => signals.push(signal),
            }
        },
    };
    report.note("it answers", outcome);
    report.note("signals are in order", order(&signals, true));
    report
}

/// Checks that a run kept the contract, whether or not it succeeded.
pub(super) fn check(run: &CallRecord) -> Result<(), String> {
    order(&run.signals, run.outcome.is_ok())
}

fn order(signals: &[Signal], complete: bool) -> Result<(), String> {
    let (mut finished, mut tools) = (false, 0u32);
    for (at, signal) in signals.iter().enumerate() {
        match signal {
            Signal::Opened(_) if at == 0 => {}
            Signal::Opened(_) => return Err("it is opened more than once, or late".into()),
            _ if at == 0 => return Err("the first signal is not Opened".into()),
            Signal::Chunk(chunk) => match &chunk.event {
                Event::Finished(_) if finished => return Err("it finishes twice".into()),
                Event::Finished(_) => finished = true,
                event if finished && event.is_content() => {
                    return Err("content follows the finish reason".into());
                }
                Event::ToolStarted { index, .. } => {
                    if *index != tools {
                        return Err(format!("tool call {index} begins where {tools} was next"));
                    }
                    tools += 1;
                }
                Event::ToolDelta { index, .. } if *index >= tools => {
                    return Err(format!("arguments come for tool call {index}, which never began"));
                }
                Event::Handover { .. } => return Err("a provider must not emit a handover".into()),
                _ => {}
            },
            Signal::Alive | Signal::HeldEnd(_) => {}
        }
    }
    if complete && !finished {
        return Err("it ends cleanly without a finish reason".into());
    }
    Ok(())
}
