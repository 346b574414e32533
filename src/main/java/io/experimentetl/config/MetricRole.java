package io.experimentetl.config;

/** What a metric is for in an experiment. */
public enum MetricRole {
  /** The experiment shall move it. */
  GOAL,
  /** The experiment must not harm it. */
  GUARDRAIL,
  /** It explains the others. Nothing is judged by it. */
  DIAGNOSTIC
}
