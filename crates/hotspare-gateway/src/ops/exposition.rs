//! The Prometheus text exposition format.
//!
//! Does not choose what is measured. Invariant: a family's samples are contiguous under one header, and label values
//! are escaped.

use std::fmt::{Display, Write};

use hotspare::Histogram;

/// Its media type.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of metrics.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

/// Label names and values.
type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Starts a family; its samples follow.
    pub(super) fn family(&mut self, name: &'static str, kind: &str, help: &str) -> Family<'_> {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
        Family { out: &mut self.0, name }
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

/// A family: the metrics of one name.
#[derive(Debug)]
pub(super) struct Family<'a> {
    out: &'a mut String,
    name: &'static str,
}

impl Family<'_> {
    pub(super) fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.line("", labels, None, value);
    }

    pub(super) fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        for (bound, count) in histogram.up_to() {
            self.line("_bucket", labels, Some(&bound.as_secs_f64().to_string()), count);
        }
        self.line("_bucket", labels, Some("+Inf"), histogram.count());
        self.line("_sum", labels, None, histogram.sum().as_secs_f64());
        self.line("_count", labels, None, histogram.count());
    }

    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let _ = write!(self.out, "{}{suffix}", self.name);
        let labels = labels.iter().copied().chain(bound.map(|bound| ("le", bound)));
        let mut opening = '{';
        for (name, value) in labels {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.out, "{opening}{name}=\"{value}\"");
            opening = ',';
        }
        let closing = if opening == ',' { "}" } else { "" };
        let _ = writeln!(self.out, "{closing} {value}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn labels_are_escaped_and_buckets_are_cumulative() {
        let mut page = Exposition::default();
        page.family("a", "gauge", "Some.").sample(&[("x", "q\"\\\n"), ("y", "")], 1);
        page.family("b", "gauge", "None.").sample(&[], 0.5);
        let mut histogram = Histogram::default();
        histogram.record(Duration::from_millis(7));
        histogram.record(Duration::from_secs(900));
        page.family("c", "histogram", "Times.").histogram(&[("x", "1")], &histogram);
        let text = page.text();
        assert!(
            text.starts_with("# HELP a Some.\n# TYPE a gauge\na{x=\"q\\\"\\\\\\n\",y=\"\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("\nb 0.5\n"), "{text}");
        for line in [
            "c_bucket{x=\"1\",le=\"0.005\"} 0",
            "c_bucket{x=\"1\",le=\"0.01\"} 1",
            "c_bucket{x=\"1\",le=\"500\"} 1",
            "c_bucket{x=\"1\",le=\"+Inf\"} 2",
            "c_sum{x=\"1\"} 900.007",
            "c_count{x=\"1\"} 2",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line} is missing in\n{text}");
        }
    }
}
