package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import io.experimentetl.operations.BlueGreenMemory.State;
import io.experimentetl.operations.BlueGreenMemory.Step;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Ends the green job and removes what was made for it. What cannot be removed keeps nothing else
 * from being removed: above all the slot, for which PostgreSQL keeps its log.
 */
final class GreenRemoval {
  private static final Duration CANCELLATION = Duration.ofMinutes(3);

  private final BlueGreenParts parts;

  GreenRemoval(BlueGreenParts parts) {
    this.parts = parts;
  }

  /**
   * Gives up a deployment whose tables are not exchanged yet.
   *
   * @throws OperationsException when the exchange has begun, or with what is left
   */
  void abort() {
    State state = parts.memory().state().or(this::forgotten).orElseThrow(GreenRemoval::nothing);
    if (state.hasExchanged()) {
      throw new OperationsException(
          "the green job takes over already: run bluegreen exchange again");
    }
    List<String> left = remove(state);
    if (!left.isEmpty()) {
      throw new OperationsException(
          "not all of the green job could be removed; see to what is left, and run bluegreen abort again:%n- %s"
              .formatted(String.join("\n- ", left)));
    }
    String blue = state.isBefore(Step.BLUE_STOPPED) ? ofRunningBlue() : ofStoppedBlue(state);
    parts.memory().end();
    parts.log().accept("the green job, its slot and its database are gone; " + blue);
  }

  private static OperationsException nothing() {
    return new OperationsException("there is nothing to abort");
  }

  /** What a start has made that another state directory knows, or none any more. */
  private Optional<State> forgotten() {
    boolean something =
        parts.slots().exists(parts.greenSlot())
            || parts.sibling().exists()
            || parts.flink().activeJob(ExperimentEtlJob.GREEN_NAME).isPresent();
    if (something && !parts.slots().exists(parts.slot())) {
      throw new OperationsException(
          "PostgreSQL has no slot %s: the slot %s may be the one that the job needs. Run bluegreen with the --state-directory of its start"
              .formatted(parts.slot(), parts.greenSlot()));
    }
    return something ? Optional.of(State.BEGUN) : Optional.empty();
  }

  private String ofRunningBlue() {
    return parts
        .blueJob()
        .map(job -> "the blue job goes on")
        .orElse(
            "no blue job runs on %s, which may have been restarted: start it by submit"
                .formatted(parts.flink().url()));
  }

  private String ofStoppedBlue(State state) {
    if (state.blueSavepoint() == null) {
      return "the blue job is stopped, and no state of it is known: start it by submit --from, with its jar";
    }
    // A savepoint of the green job is newer, and is no state for the blue one's database.
    parts.deployment().memory().rememberSavepoint(state.blueSavepoint());
    return "the blue job is stopped: start it by submit --from %s, with its jar%s"
        .formatted(
            state.blueSavepoint(),
            state.greenSavepoint() == null
                ? ""
                : ". The green job's savepoint is left: remove " + state.greenSavepoint());
  }

  /**
   * Removes all that can be removed.
   *
   * @return what is left, and why
   */
  List<String> remove(State state) {
    List<String> left = new ArrayList<>();
    boolean ended = succeeds(left, "the green job may still run", () -> endJobs(state));
    boolean unread =
        succeeds(
            left,
            "the slot %s is left, and PostgreSQL keeps its log for it".formatted(parts.greenSlot()),
            () -> parts.slots().drop(parts.greenSlot()));
    succeeds(left, "the copy is not cleaned up", () -> parts.copy().end());
    if (ended && unread) {
      succeeds(
          left,
          "database %s is left".formatted(parts.green().database()),
          () -> parts.sibling().drop());
    } else {
      left.add(
          "database %s is left: the green job may still write into it"
              .formatted(parts.green().database()));
    }
    return left;
  }

  private static boolean succeeds(List<String> left, String otherwise, Runnable work) {
    try {
      work.run();
      return true;
    } catch (OperationsException e) {
      left.add(otherwise + ": " + e.getMessage());
      return false;
    }
  }

  private void endJobs(State state) {
    FlinkEndpoint flink = parts.flink();
    Set<String> active = new LinkedHashSet<>();
    boolean known = state.greenJob() == null;
    for (FlinkEndpoint.Job job : flink.jobs()) {
      boolean isOurs = job.id().equals(state.greenJob());
      known |= isOurs;
      if (job.isActive() && (isOurs || job.name().equals(ExperimentEtlJob.GREEN_NAME))) {
        active.add(job.id());
      }
    }
    if (!known) {
      parts
          .log()
          .accept(
              "Flink at %s does not know the green job %s, which was lost with a JobManager or was never submitted"
                  .formatted(flink.url(), state.greenJob()));
    }
    for (String id : active) {
      flink.cancel(id);
      flink.awaitState(id, "CANCELED", CANCELLATION);
    }
  }
}
