package io.experimentetl;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * The arguments of the job's main. Uses no class of Flink, so operations can use it without Flink.
 *
 * @param config the configuration file, as the JobManager reads it
 * @param resync whether to read everything again into a database next to the configured one
 * @param green whether to run beside the job of the same configuration
 * @param restatedMetric the metric to recompute
 * @param correctedAllocation the experiment whose present weights hold for all its users
 * @param check what is checked ahead; empty: the job is submitted
 * @param runningState with the check of a successor: the state that it must be able to take over
 */
public record JobArguments(
    Path config,
    boolean resync,
    boolean green,
    Optional<String> restatedMetric,
    Optional<CorrectedAllocation> correctedAllocation,
    Optional<Check> check,
    Optional<RunningState> runningState) {

  /**
   * The state of a job that still runs.
   *
   * @param checkpoint the path of its last checkpoint, as the JobManager reads it
   * @param operators the names of its operators, which are the uids of those with state
   */
  public record RunningState(String checkpoint, List<String> operators) {
    /** The arguments behind those of {@link Check#SUCCESSOR}. */
    public List<String> arguments() {
      return List.of(STATE, checkpoint, String.join(",", operators));
    }
  }

  /**
   * A correction of an experiment's allocation.
   *
   * @param number greater than that of an earlier correction of the experiment: a restart of the
   *     job does not correct twice
   */
  public record CorrectedAllocation(long experimentId, long number) {
    @Override
    public String toString() {
      return experimentId + "@" + number;
    }

    private static CorrectedAllocation parse(String text) {
      int at = text.indexOf('@');
      try {
        return new CorrectedAllocation(
            Long.parseLong(text.substring(0, Math.max(0, at))),
            Long.parseLong(text.substring(at + 1)));
      } catch (NumberFormatException wrong) {
        throw new IllegalArgumentException(USAGE, wrong);
      }
    }
  }

  /** A start that is checked ahead, while the servers are as they are before it. */
  public enum Check {
    /** From the savepoint of a job that still runs and reads the replication slot. */
    SUCCESSOR("successor"),
    /** Without state: the tables may hold rows, and the slot may be missing or lost. */
    FRESH("fresh");

    private final String word;

    Check(String word) {
      this.word = word;
    }

    /** The arguments of this check, behind those of the start. */
    public List<String> arguments() {
      return List.of(CHECK, word);
    }

    private static Optional<Check> of(String word) {
      return Arrays.stream(values()).filter(check -> check.word.equals(word)).findFirst();
    }
  }

  /** Reads everything again into {@link #resyncDatabase}. */
  public static final String RESYNC = "--resync";

  /** Runs beside the job of the same configuration; see {@link #greenDatabase}. */
  public static final String GREEN = "--green";

  /** Recomputes a metric. */
  public static final String RESTATE = "--restate";

  /** Lets an experiment's present weights hold for all its users. */
  public static final String RESTATE_ALLOCATION = "--restate-allocation";

  /** The job parameter that holds {@link #action} for the web UI and for operations. */
  public static final String ACTION = "experiment-etl.action";

  /** The message of a check whose checkpoint the running job has removed meanwhile. */
  public static final String CHECKPOINT_IS_GONE = "the checkpoint is gone";

  private static final String CONFIG = "--config";
  private static final String CHECK = "--check";
  private static final String STATE = "--state";

  private static final String USAGE =
      """
      Usage: experiment-etl.jar --config FILE [--resync | --green | --restate METRIC | --restate-allocation ID@NUMBER] [--check successor|fresh [--state CHECKPOINT OPERATORS]]
        --resync: starts without state, reads everything again into the database NAME_resync next to the configured
          one, NAME, and takes over the facts of NAME that are older than the source's retention. Run by the verb resync.
        --green: starts from a savepoint of the job that goes on, as a second job. It reads the slot SLOT_green, writes into the
          database NAME_green, and writes nothing to Kafka. Run by the verb bluegreen.
        --restate: starts from a savepoint and recomputes the days of a metric, from the day in its key since, from the
          raw rows in ClickHouse. The savepoint has no such metric, or another definition of it. Run by the verb restate.
        --restate-allocation: starts from a savepoint and tests all users of the experiment with this id against its present
          allocation. Corrections of one experiment have increasing numbers. Run by the verb restate.
        --check: checks a start ahead: from the savepoint of the job that still runs, or without state. Run by the verbs
          through the cluster's plan of the job, which starts nothing. --state: whether this jar can take over the state of that
          checkpoint, which a job with these operators (by commas) wrote.
      """;

  /**
   * Parses the arguments.
   *
   * @throws IllegalArgumentException with the usage
   */
  public static JobArguments parse(List<String> all) {
    int last = all.size();
    Optional<RunningState> state =
        last >= 7 && all.get(last - 3).equals(STATE)
            ? Optional.of(
                new RunningState(all.get(last - 2), List.of(all.get(last - 1).split(",", -1))))
            : Optional.empty();
    List<String> arguments = state.isEmpty() ? all : all.subList(0, last - 3);
    int size = arguments.size();
    Optional<Check> check =
        size >= 4 && arguments.get(size - 2).equals(CHECK)
            ? Check.of(arguments.get(size - 1))
            : Optional.empty();
    List<String> start = check.isEmpty() ? arguments : arguments.subList(0, size - 2);
    boolean resync = start.size() == 3 && start.get(2).equals(RESYNC);
    boolean green = start.size() == 3 && start.get(2).equals(GREEN);
    boolean restate = start.size() == 4 && start.get(2).equals(RESTATE);
    boolean correct = start.size() == 4 && start.get(2).equals(RESTATE_ALLOCATION);
    if ((start.size() != 2 && !resync && !green && !restate && !correct)
        || !start.get(0).equals(CONFIG)
        || (state.isPresent() && check.filter(of -> of == Check.SUCCESSOR).isEmpty())) {
      throw new IllegalArgumentException(USAGE);
    }
    return new JobArguments(
        Path.of(start.get(1)),
        resync,
        green,
        restate ? Optional.of(start.get(3)) : Optional.empty(),
        correct ? Optional.of(CorrectedAllocation.parse(start.get(3))) : Optional.empty(),
        check,
        state);
  }

  /**
   * The arguments after the configuration's: what distinguishes this start from an ordinary one.
   */
  public String action() {
    if (resync || green) {
      return resync ? RESYNC : GREEN;
    }
    return restatedMetric
        .map(metric -> RESTATE + " " + metric)
        .or(() -> correctedAllocation.map(of -> RESTATE_ALLOCATION + " " + of))
        .orElse("");
  }

  /** The database into which a resync of another one reads. */
  public static String resyncDatabase(String database) {
    return database + "_resync";
  }

  /** The database of the job that runs beside that of another one. */
  public static String greenDatabase(String database) {
    return database + "_green";
  }

  /** The slot of the job that runs beside the one that reads another slot. */
  public static String greenSlot(String slot) {
    return slot + "_green";
  }
}
