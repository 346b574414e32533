package io.experimentetl.model;

/** How much a finding matters. {@code docs/findings.md} prints the meanings. */
public enum Severity {
  INFO("Worth knowing. The results are right."),
  WARNING("Something in the data or the set-up is not as it should be. Results may be affected."),
  ERROR("Rows do not count as the sender meant, or results cannot be trusted."),
  FATAL("The job stops, and its failure names the code. There is no row in data_inconsistencies.");

  private final String meaning;

  Severity(String meaning) {
    this.meaning = meaning;
  }

  /** The meaning for an analyst. */
  public String meaning() {
    return meaning;
  }
}
