package io.experimentetl.model;

/** How much a finding matters to the analyst. */
public enum Severity {
  INFO,
  WARNING,
  ERROR
}
