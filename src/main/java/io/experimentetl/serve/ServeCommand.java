package io.experimentetl.serve;

import io.experimentetl.maintenance.Maintenance;
import io.experimentetl.maintenance.Runner;
import io.experimentetl.maintenance.Schedule;
import io.experimentetl.maintenance.Scheduler;
import io.experimentetl.maintenance.Watermark;
import io.experimentetl.operations.Deployment;
import io.experimentetl.operations.DeploymentOptions;
import java.io.PrintWriter;
import java.time.Clock;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The verb {@code serve}. */
@Command(
    name = "serve",
    mixinStandardHelpOptions = true,
    description = {
      "Serves the HTTP API: data management, partitions, the pipeline's state, findings, results and metrics.",
      "It runs the scheduled tasks (see maintain), and writes to PostgreSQL what ClickHouse has got, so that clean-ups may delete it.",
      "It runs until it is stopped. Its settings are the section serve of the configuration; GET /openapi.json describes the API."
    })
public final class ServeCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Mixin private final DeploymentOptions options;

  public ServeCommand(DeploymentOptions options) {
    this.options = options;
  }

  @Override
  public Integer call() throws InterruptedException {
    PrintWriter out = spec.commandLine().getOut();
    CountDownLatch stopped = new CountDownLatch(1);
    Deployment deployment = options.deployment();
    Clock clock = Clock.systemUTC();
    ActionLog log = Api.log(deployment, clock);
    try (ApiServer api = Api.start(deployment, clock, log);
        Scheduler scheduler =
            new Scheduler(
                new Schedule(deployment.databases().postgres(), clock, Runner.name()),
                new Maintenance(deployment, clock),
                System.getenv(),
                log::scheduled)) {
      scheduler.start(Watermark.of(deployment.databases()));
      Runtime.getRuntime().addShutdownHook(new Thread(stopped::countDown, "serve-stop"));
      out.println("serving " + api.url());
      out.flush();
      stopped.await();
    }
    return 0;
  }
}
