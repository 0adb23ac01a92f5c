//! The results of the socket tier as JUnit XML, for CI systems.
//!
//! Invariant: one test case per scenario and seed that ran; what a failed one missed is in its message.

/// The result of one scenario.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// The marks that it missed.
    pub(crate) missed: Vec<String>,
}

/// The document.
pub(crate) fn document(cases: &[Case]) -> String {
    let failed = cases.iter().filter(|case| !case.missed.is_empty()).count();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"chaos-sockets\" tests=\"{}\" failures=\"{failed}\">\n",
        cases.len()
    );
    for Case { name, missed } in cases {
        out += &format!("  <testcase classname=\"chaos-sockets\" name=\"{}\"", escaped(name));
        out += &match missed.as_slice() {
            [] => "/>\n".to_owned(),
            missed => {
                format!("><failure message=\"{}\"/></testcase>\n", escaped(&missed.join("; ")))
            }
        };
    }
    out + "</testsuite>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_mark_is_a_failure_with_its_message() {
        let case = |name: &str, missed: &[&str]| Case {
            name: name.into(),
            missed: missed.iter().map(|&what| what.into()).collect(),
        };
        let document = document(&[case("stall", &[]), case("cut, seed 2", &["lost 1 > 0", "calls 9 > 3"])]);
        assert!(document.contains("tests=\"2\" failures=\"1\""), "{document}");
        assert!(document.contains("name=\"stall\"/>"), "{document}");
        assert!(document.contains("message=\"lost 1 &gt; 0; calls 9 &gt; 3\"/></testcase>"), "{document}");
    }
}
