package io.experimentetl;

import java.util.List;

/** What keeps the job from starting: everything that is wrong, each with what to do. */
public final class PreflightException extends Exception {
  private static final long serialVersionUID = 1L;

  PreflightException(List<String> problems) {
    super(
        "The job can't start; "
            + problems.size()
            + (problems.size() == 1 ? " problem:" : " problems:")
            + "\n  - "
            + String.join("\n  - ", problems));
  }
}
