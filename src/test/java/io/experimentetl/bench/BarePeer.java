package io.experimentetl.bench;

import io.experimentetl.local.PlatformException;
import io.experimentetl.local.PostgresEndpoint;
import io.experimentetl.local.demo.Backlog;
import io.experimentetl.local.demo.Pause;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Runs {@link BareSourceMain} in a separate process, with a separate replication slot. */
final class BarePeer implements AutoCloseable {
  private static final String SLOT = "experiment_etl_bench";
  private static final Duration START = Duration.ofSeconds(60);

  private final Backlog backlog;
  private final Process process;
  private volatile long rows;

  BarePeer(PostgresEndpoint database, Backlog backlog, Path log) {
    this.backlog = backlog;
    backlog.execute("SELECT pg_create_logical_replication_slot('" + SLOT + "', 'pgoutput')");
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.add("-Xmx1g");
    // Flink's list for Java 17, with which this JVM was started.
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(argument -> argument.startsWith("--add-"))
        .forEach(command::add);
    command.addAll(
        List.of("-cp", System.getProperty("java.class.path"), BareSourceMain.class.getName()));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.to(log.toFile()));
    builder
        .environment()
        .putAll(
            Map.of(
                "BENCH_HOST", database.host(),
                "BENCH_PORT", Integer.toString(database.port()),
                "BENCH_DATABASE", database.database(),
                "BENCH_USER", database.user(),
                "BENCH_PASSWORD", database.password(),
                "BENCH_SLOT", SLOT));
    try {
      process = builder.start();
    } catch (IOException e) {
      throw new PlatformException("cannot start the bare source: " + e.getMessage(), e);
    }
    Thread reader = new Thread(this::read, "bare-source");
    reader.setDaemon(true);
    reader.start();
    awaitAttached(log);
  }

  private void read() {
    try (BufferedReader lines =
        new BufferedReader(
            new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (!line.isEmpty() && line.chars().allMatch(Character::isDigit)) {
          rows = Long.parseLong(line);
        }
      }
    } catch (IOException e) {
      // The process has ended; its last number remains valid.
      return;
    }
  }

  /**
   * The source reads from the position at which it starts, so this writes rows until one arrives.
   */
  private void awaitAttached(Path log) {
    long end = System.nanoTime() + START.toNanos();
    while (rows == 0) {
      if (!process.isAlive() || System.nanoTime() > end) {
        close();
        throw new PlatformException("the bare source does not read; its log is " + log);
      }
      backlog.commit("events", 1);
      Pause.of(Duration.ofMillis(200));
    }
    long previous = -1;
    while (previous != rows) {
      previous = rows;
      Pause.of(Duration.ofSeconds(1));
    }
  }

  Measured measure(int count, Map<String, Long> servers) {
    long before = rows;
    Map<String, Long> processes = new LinkedHashMap<>();
    processes.put("Flink", process.pid());
    processes.putAll(servers);
    return Measured.measure(
        "bare Flink CDC source",
        count,
        processes,
        () -> backlog.commit("events", count),
        () -> rows >= before + count);
  }

  @Override
  public void close() {
    process.destroyForcibly();
    process.onExit().join();
    backlog.dropSlot(SLOT);
  }
}
