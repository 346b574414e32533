package io.experimentetl;

import java.util.List;

/** The job cannot start. The message lists every problem with its remedy. */
public final class PreflightException extends Exception {
  private static final long serialVersionUID = 1L;

  PreflightException(List<String> problems) {
    super(
        "The job cannot start: "
            + problems.size()
            + (problems.size() == 1 ? " problem:" : " problems:")
            + "\n  - "
            + String.join("\n  - ", problems));
  }
}
