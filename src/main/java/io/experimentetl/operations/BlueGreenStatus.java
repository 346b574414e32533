package io.experimentetl.operations;

import io.experimentetl.JobArguments;
import io.experimentetl.operations.BlueGreenMemory.State;
import io.experimentetl.operations.BlueGreenMemory.Step;

/**
 * What {@code status} shows of a blue/green deployment.
 *
 * @param healthy whether nobody has to do anything
 */
record BlueGreenStatus(boolean healthy, String text) {
  /**
   * Looks at one deployment.
   *
   * @param isAtWork whether a process runs a step now
   */
  static BlueGreenStatus of(State state, boolean isAtWork, Deployment deployment) {
    String slot = JobArguments.greenSlot(deployment.databases().config().source().slot());
    if (isAtWork) {
      return new BlueGreenStatus(true, "a step of bluegreen runs");
    }
    if (!state.isBefore(Step.BLUE_STOPPED)) {
      return new BlueGreenStatus(
          false, "an exchange has begun and not ended: run bluegreen exchange again");
    }
    if (state.isBefore(Step.RUNNING)) {
      return new BlueGreenStatus(
          false,
          "start has ended before it was done. PostgreSQL keeps its log for the slot %s, and merges of ClickHouse may wait: run bluegreen abort, or start again"
              .formatted(slot));
    }
    boolean runs =
        deployment.flink().jobs().stream()
            .anyMatch(job -> job.id().equals(state.greenJob()) && job.isActive());
    return new BlueGreenStatus(
        runs,
        runs
            ? "the green job %s runs beside: run bluegreen compare, then exchange or abort"
                .formatted(state.greenJob())
            : "the green job %s does not run, and PostgreSQL keeps its log for the slot %s: run bluegreen abort"
                .formatted(state.greenJob(), slot));
  }
}
