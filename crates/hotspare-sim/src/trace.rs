//! Parses recorded availability and recorded arrivals.
//!
//! Takes text; does not open or decompress files. Invariant: a missing figure makes a target absent, not unhealthy: an
//! endpoint that was not listed, or had no traffic to be judged by, is no candidate during that time.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::fault_schedule::AvailabilitySeries;
use crate::run::RunOptions;
use crate::scenario::{Load, RouteDto, Scenario, TargetDto};
use crate::units::{Distribution, Span};
use crate::workload::Arrival;

/// One model and the endpoints that serve it.
#[derive(Clone, Debug)]
pub struct ModelTrace {
    /// The model's name.
    pub model: String,
    endpoints: Vec<String>,
    series: Vec<AvailabilitySeries>,
    length: f64,
}

/// The availability of each model's endpoints: `endpoints.csv`, then pairs of a polls file and a figures file.
///
/// # Errors
/// What cannot be parsed, with its line number.
pub fn availability(endpoints: &str, parts: &[(&str, &str)]) -> Result<Vec<ModelTrace>, String> {
    let mut models: BTreeMap<String, Vec<(u32, String)>> = BTreeMap::new();
    for (number, line) in endpoints.lines().enumerate().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [id, model, provider, ..] = fields[..] else {
            return Err(format!("endpoints, line {}: too few fields", number + 1));
        };
        let id = id.parse().map_err(|_| format!("endpoints, line {}: `{id}` is not a number", number + 1))?;
        models.entry(model.to_owned()).or_default().push((id, provider.to_owned()));
    }
    let mut series: BTreeMap<u32, Vec<(u64, Option<f32>)>> = BTreeMap::new();
    let (mut start, mut end) = (None, 0);
    for (polls, figures) in parts {
        let mut times = Vec::new();
        for line in polls.lines().skip(1) {
            let at = line
                .split(',')
                .nth(1)
                .and_then(unix)
                .ok_or_else(|| format!("polls: `{line}` has no time"))?;
            times.push(at);
        }
        let first = *start.get_or_insert(times.first().copied().unwrap_or(0));
        let nanos = |poll: usize| times.get(poll).map(|at| at.saturating_sub(first) * 1_000_000_000);
        end = end.max(nanos(times.len().saturating_sub(1)).unwrap_or(0) + 900_000_000_000);
        let mut seen: BTreeMap<u32, usize> = BTreeMap::new();
        for line in figures.lines().skip(1) {
            let mut fields = line.split(',');
            let number = |field: Option<&str>| field.and_then(|field| field.parse::<usize>().ok());
            let (Some(id), Some(poll)) = (number(fields.next()), number(fields.next())) else {
                return Err(format!("figures: `{line}` does not begin with endpoint and poll"));
            };
            let id = u32::try_from(id).unwrap_or(u32::MAX);
            let figure =
                fields.nth(1).and_then(|figure| figure.parse::<f32>().ok()).map(|percent| percent / 100.0);
            let at = nanos(poll).ok_or_else(|| format!("figures: there is no poll {poll}"))?;
            let points = series.entry(id).or_default();
            // Intermediate polls in which it was not listed.
            if let Some(gap) = seen.get(&id).filter(|last| **last + 1 < poll) {
                points.extend(nanos(gap + 1).map(|at| (at, None)));
            }
            seen.insert(id, poll);
            points.push((at, figure));
        }
        for (id, last) in seen {
            if let (Some(at), Some(points)) = (nanos(last + 1), series.get_mut(&id)) {
                points.push((at, None));
            }
        }
    }
    let length = end as f64 / 1e9;
    Ok(models
        .into_iter()
        .map(|(model, endpoints)| {
            let known = |id: &u32| AvailabilitySeries { points: series.get(id).cloned().unwrap_or_default() };
            let names = endpoints.iter().map(|(id, provider)| format!("{provider} #{id}")).collect();
            ModelTrace {
                model,
                endpoints: names,
                series: endpoints.iter().map(|(id, _)| known(id)).collect(),
                length,
            }
        })
        .collect())
}

impl ModelTrace {
    /// A scenario for this model: its endpoints in the order listed, equally fast, at this rate of requests per second.
    ///
    /// # Errors
    /// What is invalid, such as a rate that is not a number.
    pub fn scenario(&self, rate: f64, strategy: &str) -> Result<Scenario, String> {
        let target = |name: &String| {
            let mut target = TargetDto::named(name);
            target.ttft = Distribution::constant(0.5);
            target.token_gap = Distribution::constant(0.02);
            target
        };
        let scenario = Scenario {
            name: self.model.clone(),
            what: "availability as it was measured".into(),
            length: Span(std::time::Duration::from_secs_f64(self.length)),
            window: [Span::secs(0), Span(std::time::Duration::from_secs_f64(self.length.max(1.0)))],
            seeds: None,
            whole: false,
            full: None,
            restart: None,
            load: Load { rate, prompt_tokens: 8, output_tokens: 10, ..Load::default() },
            targets: self.endpoints.iter().map(target).collect(),
            faults: Vec::new(),
            incidents: None,
            swizzle: None,
            route: RouteDto { strategy: strategy.into(), ..RouteDto::default() },
            marks: Vec::new(),
        };
        scenario.validated()
    }

    /// The options of a run over this trace.
    #[must_use]
    pub fn options(&self) -> RunOptions {
        RunOptions { series: Some(self.series.clone().into()), ..RunOptions::default() }
    }

    /// Number of endpoints that serve it.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        self.endpoints.len()
    }
}

/// Recorded arrivals: seconds (`t_s`) or milliseconds (`t_ms`), prompt tokens, output tokens.
///
/// # Errors
/// What cannot be parsed.
pub fn arrivals(text: &str) -> Result<Arc<[Arrival]>, String> {
    let mut lines = text.lines();
    let scale = match lines.next().and_then(|head| head.split(',').next()) {
        Some("t_s") => 1.0,
        Some("t_ms") => 0.001,
        other => {
            return Err(format!(
                "arrivals begin with `{}`; valid values are t_s and t_ms",
                other.unwrap_or_default()
            ));
        }
    };
    lines
        .map(|line| {
            let mut fields = line.split(',');
            let mut number =
                || fields.next().and_then(|field| field.parse::<f64>().ok()).filter(|value| *value >= 0.0);
            match (number(), number(), number()) {
                (Some(at), Some(prompt), Some(output)) => {
                    Ok(Arrival { at: at * scale, prompt: prompt as u64, output: output as u32 })
                }
                _ => Err(format!("arrivals: `{line}` is not three numbers")),
            }
        })
        .collect()
}

/// The Unix time of a text such as `2026-08-07T00:01:04Z`, in seconds.
fn unix(text: &str) -> Option<u64> {
    let (date, time) = text.trim().strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, by: char| {
        text.split(by).map(|part| part.parse::<u64>().ok()).collect::<Option<Vec<_>>>()
    };
    let (date, time) = (numbers(date, '-')?, numbers(time, ':')?);
    let ([year, month, day], [hour, minute, second]) = (date[..].try_into().ok()?, time[..].try_into().ok()?);
    if !(1970..2200).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970, with years that begin in March (Hinnant's algorithm).
    let (y, m): (u64, u64) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_timestamps() {
        assert_eq!(unix("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix("2026-08-07T00:01:04Z"), Some(1_786_060_864));
        assert_eq!(unix("2026-13-07T00:01:04Z"), None);
        assert_eq!(unix("yesterday"), None);
    }

    #[test]
    fn missing_samples_are_absent() {
        let endpoints = "endpoint,model,provider\n0,m,A\n1,m,B\n";
        let polls = "poll,ts_utc\n0,2026-08-07T00:00:00Z\n1,2026-08-07T00:15:00Z\n2,2026-08-07T00:30:00Z\n";
        let figures = "endpoint,poll,status,up5m,up30m\n0,0,0,99.5,99\n0,1,0,,99\n0,2,0,98,99\n1,0,0,100,100\n1,2,0,50,50\n";
        let models = availability(endpoints, &[(polls, figures)]).unwrap();
        let at = |endpoint: usize, minutes: u64| {
            models[0].series[endpoint].at(hotspare_core::Moment::from_nanos(minutes * 60_000_000_000))
        };
        assert_eq!([at(0, 1), at(0, 16), at(0, 31)], [Some(0.995), None, Some(0.98)]);
        assert_eq!([at(1, 1), at(1, 16), at(1, 31), at(1, 50)], [Some(1.0), None, Some(0.5), Some(0.5)]);
        assert!(availability("x\n1,m", &[]).is_err());
        assert_eq!(arrivals("t_ms,a,b\n500,10,3\n").unwrap()[0], Arrival { at: 0.5, prompt: 10, output: 3 });
        assert!(models[0].scenario(0.2, "health-aware").is_ok());
        for rate in [f64::NAN, f64::INFINITY, 0.0] {
            assert!(models[0].scenario(rate, "health-aware").unwrap_err().contains("load.rate"), "{rate}");
        }
        assert!(arrivals("t,a,b\n").is_err() && arrivals("t_s,a,b\n1,-2,3\n").is_err());
    }
}
