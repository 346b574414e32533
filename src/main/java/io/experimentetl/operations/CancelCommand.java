package io.experimentetl.operations;

import io.experimentetl.ExperimentEtlJob;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The verb {@code cancel}. */
@Command(
    name = "cancel",
    mixinStandardHelpOptions = true,
    description = {
      "Cancels the running job without a savepoint. Nothing is lost: submit continues from its last checkpoint.",
      "In application mode the cluster ends with its job."
    })
public final class CancelCommand implements Callable<Integer> {
  private static final Duration CANCELLATION = Duration.ofMinutes(3);

  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  public CancelCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    Consumer<String> log = Lines.to(spec.commandLine().getOut());
    Deployment deployment = options.deployment();
    FlinkEndpoint flink = deployment.flink();
    FlinkEndpoint.Job job =
        flink
            .activeJob(ExperimentEtlJob.NAME)
            .orElseThrow(
                () ->
                    new OperationsException(
                        "no job runs on " + flink.url() + ": there is nothing to cancel"));
    flink.cancel(job.id());
    try {
      flink.awaitState(job.id(), "CANCELED", CANCELLATION);
    } catch (FlinkHttp.NoAnswerException e) {
      log.accept("job %s is cancelled, and its cluster ended with it".formatted(job.id()));
      return 0;
    }
    log.accept("job %s is cancelled".formatted(job.id()));
    log.accept(
        deployment
            .memory()
            .latestState(flink)
            .map(state -> "submit continues from " + state)
            .orElse("it had no checkpoint: submit starts without state"));
    return 0;
  }
}
