package io.experimentetl.model;

/** A metric in a variant of an experiment. */
public record MetricKey(long experimentId, long variantId, String metric) {}
