package io.experimentetl.local;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A server in a child process that never outlives this JVM: a watcher process holds the read end of
 * a pipe whose write end only this JVM has. When the JVM ends, for any reason, the pipe closes and
 * the watcher stops the server.
 */
public final class ServerProcess {
  /**
   * The watcher is a child of the server (the shell execs into it), so it never signals a recycled
   * process id.
   */
  private static final String WATCHED =
      """
      exec 3<&0 </dev/null
      (
        mine() { local ppid; read -r _ _ _ ppid _ </proc/$BASHPID/stat; [[ $ppid == "$$" ]]; }
        read -r _ <&3
        mine && kill -s "$1" $$
        for ((i = 0; i < 50; i++)); do mine || exit 0; sleep 0.2; done
        mine && kill -KILL $$
      ) >/dev/null 2>&1 &
      shift
      exec "$@" 3<&-
      """;

  private static final int LOG_TAIL_LINES = 40;

  /**
   * The process to run.
   *
   * @param name the server's name in error messages
   * @param environment in addition to this JVM's; the place for secrets, never {@code arguments}
   * @param log gets standard output and error, appended
   * @param stopSignal the signal for an orderly stop, e.g. TERM
   */
  public record Command(
      String name,
      List<String> arguments,
      Map<String, String> environment,
      Path directory,
      Path log,
      String stopSignal) {}

  /** A check whether the server answers; an exception means that it does not yet. */
  @FunctionalInterface
  public interface Health {
    boolean answers() throws Exception;
  }

  private final Command command;
  private final Process process;

  private ServerProcess(Command command, Process process) {
    this.command = command;
    this.process = process;
  }

  public static ServerProcess start(Command command) {
    // A session of its own: the terminal's Ctrl-C goes to the launcher, which stops its servers in
    // order.
    List<String> line = new ArrayList<>(List.of("setsid", "bash", "-c", WATCHED, command.name()));
    line.add(command.stopSignal());
    line.addAll(command.arguments());
    ProcessBuilder builder =
        new ProcessBuilder(line)
            .directory(command.directory().toFile())
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.appendTo(command.log().toFile()));
    builder.environment().putAll(command.environment());
    try {
      Files.createDirectories(command.log().toAbsolutePath().getParent());
      return new ServerProcess(command, builder.start());
    } catch (IOException e) {
      throw new PlatformException(
          command.name()
              + " can't be started: "
              + e.getMessage()
              + "; bash and setsid (util-linux) must be installed",
          e);
    }
  }

  /** The server's name in error messages. */
  public String name() {
    return command.name();
  }

  public Path log() {
    return command.log();
  }

  /** The exit code; 137 after SIGKILL. */
  public int exitCode() {
    return process.exitValue();
  }

  public long pid() {
    return process.pid();
  }

  public boolean isAlive() {
    return process.isAlive();
  }

  /**
   * Waits until the server answers.
   *
   * @throws PlatformException with the end of its log, when it ends or the deadline passes before
   */
  public void awaitHealthy(Duration deadline, Health health) {
    long end = System.nanoTime() + deadline.toNanos();
    Exception last = null;
    while (System.nanoTime() < end) {
      if (!process.isAlive()) {
        throw new PlatformException(
            "%s ended with exit code %d while starting. The end of its log %s:%n%s"
                .formatted(command.name(), process.exitValue(), command.log(), logTail()));
      }
      try {
        if (health.answers()) {
          return;
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new PlatformException("interrupted while waiting for " + command.name(), e);
      } catch (Exception e) {
        last = e;
      }
      pause(Duration.ofMillis(50));
    }
    throw new PlatformException(
        "%s did not answer within %d s%s. The end of its log %s:%n%s"
            .formatted(
                command.name(),
                deadline.toSeconds(),
                last == null ? "" : " (" + last + ")",
                command.log(),
                logTail()),
        last);
  }

  /** SIGKILL to the server; returns when it and its own children are gone. */
  public void kill9() {
    List<ProcessHandle> family = family();
    process.destroyForcibly();
    awaitGone(family, Duration.ofSeconds(30));
    closePipe();
  }

  /**
   * Stops the server with its stop signal, and by SIGKILL when that takes longer than the deadline.
   */
  public void stop(Duration deadline) {
    if (process.isAlive()) {
      List<ProcessHandle> family = family();
      signal();
      try {
        if (!process.waitFor(deadline.toMillis(), TimeUnit.MILLISECONDS)) {
          process.destroyForcibly();
        }
      } catch (InterruptedException e) {
        process.destroyForcibly();
        Thread.currentThread().interrupt();
      }
      closePipe();
      awaitGone(family, Duration.ofSeconds(30));
    } else {
      closePipe();
    }
  }

  /** The last lines of the log, for error messages. */
  public String logTail() {
    return logTail(command.log());
  }

  static String logTail(Path log) {
    try {
      List<String> lines =
          new String(Files.readAllBytes(log), StandardCharsets.UTF_8).lines().toList();
      return String.join(
          "\n", lines.subList(Math.max(0, lines.size() - LOG_TAIL_LINES), lines.size()));
    } catch (IOException e) {
      return "(can't be read: " + e.getMessage() + ")";
    }
  }

  private void signal() {
    try {
      // Process.destroy() sends SIGTERM, at which PostgreSQL waits for its clients to disconnect.
      new ProcessBuilder("kill", "-s", command.stopSignal(), Long.toString(process.pid()))
          .redirectErrorStream(true)
          .start()
          .waitFor();
    } catch (IOException e) {
      process.destroy();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** The server's own children (PostgreSQL's backends); the watcher ends by itself. */
  private List<ProcessHandle> family() {
    List<ProcessHandle> family = new ArrayList<>();
    family.add(process.toHandle());
    process
        .descendants()
        .filter(child -> !child.info().command().orElse("").endsWith("/bash"))
        .forEach(family::add);
    return family;
  }

  private void awaitGone(List<ProcessHandle> family, Duration deadline) {
    long end = System.nanoTime() + deadline.toNanos();
    for (ProcessHandle member : family) {
      try {
        member.onExit().get(Math.max(1, end - System.nanoTime()), TimeUnit.NANOSECONDS);
      } catch (TimeoutException | ExecutionException e) {
        throw new PlatformException(
            "%s: process %d still runs %d s after it was asked to stop"
                .formatted(command.name(), member.pid(), deadline.toSeconds()),
            e);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
    }
  }

  private void closePipe() {
    try {
      process.getOutputStream().close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static void pause(Duration duration) {
    try {
      Thread.sleep(duration.toMillis());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted", e);
    }
  }
}
