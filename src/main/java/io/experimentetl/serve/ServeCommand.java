package io.experimentetl.serve;

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
    try (ApiServer api = Api.start(options.deployment(), Clock.systemUTC())) {
      Runtime.getRuntime().addShutdownHook(new Thread(stopped::countDown, "serve-stop"));
      out.println("serving " + api.url());
      out.flush();
      stopped.await();
    }
    return 0;
  }
}
