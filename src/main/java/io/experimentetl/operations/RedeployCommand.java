package io.experimentetl.operations;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The verb {@code redeploy}. */
@Command(
    name = "redeploy",
    mixinStandardHelpOptions = true,
    description = {
      "Stops the running job with a savepoint and starts the present jar and configuration from it.",
      "A refused start is undone: the former job continues. In application mode, prints what to deploy and waits."
    })
public final class RedeployCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  @Mixin private Successor successor;

  public RedeployCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() {
    Consumer<String> log = Lines.to(spec.commandLine().getOut());
    Deployment deployment = options.deployment();
    JobDeployment job = new JobDeployment(deployment, log);
    job.requireJar();
    job.requireSinceOfNewMetrics();
    job.requireSuccessor(successor.parallelism, successor.ending);
    String savepoint = job.stop();
    log.accept("savepoint " + savepoint);
    try {
      String id = job.submit(Optional.of(savepoint), successor.parallelism, List.of());
      log.accept("job %s runs from it".formatted(id));
      new FirstCheckpoint(deployment.flink(), log).await(id);
      return 0;
    } catch (FirstCheckpoint.LateException e) {
      throw e;
    } catch (OperationsException e) {
      throw new OperationsException(
          "the new job does not run: %s%n%s"
              .formatted(e.getMessage(), job.goBack(savepoint, successor.parallelism)),
          e);
    }
  }
}
