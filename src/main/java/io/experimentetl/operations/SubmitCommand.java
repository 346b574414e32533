package io.experimentetl.operations;

import io.experimentetl.JobArguments.Check;
import java.io.PrintWriter;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** The verb {@code submit}. */
@Command(
    name = "submit",
    mixinStandardHelpOptions = true,
    description = "Submits the job, from its latest savepoint or checkpoint if it has one.")
public final class SubmitCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @Option(
      names = "--from",
      paramLabel = "PATH",
      description = "the savepoint or checkpoint to start from, instead of the latest")
  private String from;

  @Option(
      names = "--fresh",
      description =
          "start without state, from a new snapshot of the tables; makes the replication slot anew."
              + " The warehouse's tables must be empty; those of a ClickHouse that ./etl started are emptied")
  private boolean fresh;

  @Mixin private Successor successor;

  public SubmitCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    Consumer<String> log = Lines.to(out);
    Deployment deployment = options.deployment();
    JobDeployment job = new JobDeployment(deployment, log);
    job.requireJar();
    BlueGreenMemory blueGreen = new BlueGreenMemory(deployment.memory());
    blueGreen.requireNoExchange();
    UnfinishedResync resync = new UnfinishedResync(deployment);
    Optional<String> state = Optional.empty();
    if (fresh) {
      blueGreen.requireNone();
      if (!resync.hasBegun()) {
        job.requireNoActiveJob();
      }
      job.requireEffectiveConfiguration();
      job.requireSlots(successor.parallelism);
      FreshStart start = new FreshStart(deployment);
      start.requireAllowed();
      job.requireServers(Check.FRESH, successor.parallelism);
      resync.abandon();
      job.requireNoActiveJob();
      start.prepare(log);
      resync.end();
    } else {
      resync.requireNone();
      state =
          Optional.ofNullable(from).or(() -> deployment.memory().latestState(deployment.flink()));
      if (state.isPresent()) {
        job.requireMetrics(successor.ending);
      }
    }
    log.accept("submitting the job, and waiting until all its tasks run ...");
    String id = job.submit(state, successor.parallelism, List.of());
    log.accept("job %s runs%s".formatted(id, state.map(path -> ", from " + path).orElse("")));
    log.accept("%s/#/job/running/%s/overview".formatted(deployment.flink().url(), id));
    new FirstCheckpoint(deployment.flink(), log).await(id);
    return 0;
  }
}
