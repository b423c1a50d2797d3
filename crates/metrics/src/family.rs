//! Registration of metrics with fixed names, and families of samples that are computed for each scrape.

use std::collections::HashMap;

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// A result of `prometheus` that only an invalid or repeated name can spoil; the tests register every name.
fn valid<T>(result: prometheus::Result<T>) -> T {
    result.expect("names, labels and help texts are constants, and each name is registered once")
}

pub(crate) fn register(registry: &Registry, collector: impl Collector + 'static) {
    valid(registry.register(Box::new(collector)));
}

pub(crate) fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let counter = valid(IntCounter::new(name, help));
    register(registry, counter.clone());
    counter
}

/// Counters by label. Hot paths keep the counters of the values they need: [`IntCounterVec::with_label_values`] locks.
pub(crate) fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let counters = valid(IntCounterVec::new(Opts::new(name, help), labels));
    register(registry, counters.clone());
    counters
}

pub(crate) fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let gauge = valid(IntGauge::new(name, help));
    register(registry, gauge.clone());
    gauge
}

pub(crate) fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let gauges = valid(IntGaugeVec::new(Opts::new(name, help), labels));
    register(registry, gauges.clone());
    gauges
}

/// Name, type and help of a family whose samples a [`Collector`] computes.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) desc: Desc,
    kind: MetricType,
}

impl Family {
    pub(crate) fn counter(name: &str, help: &str, labels: &[&str]) -> Self {
        Self::new(MetricType::COUNTER, name, help, labels)
    }

    pub(crate) fn gauge(name: &str, help: &str, labels: &[&str]) -> Self {
        Self::new(MetricType::GAUGE, name, help, labels)
    }

    pub(crate) fn histogram(name: &str, help: &str, labels: &[&str]) -> Self {
        Self::new(MetricType::HISTOGRAM, name, help, labels)
    }

    fn new(kind: MetricType, name: &str, help: &str, labels: &[&str]) -> Self {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        Self { desc: valid(Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())), kind }
    }

    /// A sample of a counter or a gauge. One value for each label of the family, in their order.
    pub(crate) fn sample(&self, label_values: &[&str], value: f64) -> Metric {
        let mut sample = self.labelled(label_values);
        if self.kind == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
        sample
    }

    /// A sample of a histogram.
    pub(crate) fn distribution(&self, label_values: &[&str], histogram: Histogram) -> Metric {
        let mut sample = self.labelled(label_values);
        sample.set_histogram(histogram);
        sample
    }

    fn labelled(&self, values: &[&str]) -> Metric {
        debug_assert_eq!(self.desc.variable_labels.len(), values.len());
        let pairs = self.desc.variable_labels.iter().zip(values).map(|(name, &value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.clone());
            pair.set_value(value.to_owned());
            pair
        });
        let mut sample = Metric::default();
        sample.set_label(pairs.collect());
        sample
    }

    /// The family with its samples.
    pub(crate) fn with(&self, samples: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.desc.fq_name.clone());
        family.set_help(self.desc.help.clone());
        family.set_field_type(self.kind);
        family.set_metric(samples);
        family
    }
}
