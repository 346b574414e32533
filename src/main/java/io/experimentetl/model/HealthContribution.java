package io.experimentetl.model;

/**
 * What a subtask of {@code attribute} adds to an experiment's health between two checkpoint
 * barriers.
 */
public record HealthContribution(HealthKey key, HealthCounts counts) {}
