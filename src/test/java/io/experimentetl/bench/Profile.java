package io.experimentetl.bench;

import io.experimentetl.local.PlatformException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedThread;
import jdk.jfr.consumer.RecordingFile;

/** A flight recording of another JVM, and its summary. */
final class Profile {
  private static final String NAME = "experiment-etl";

  private final long pid;
  private final Path file;
  private Instant from = Instant.MIN;

  private Profile(long pid, Path file) {
    this.pid = pid;
    this.file = file;
  }

  /**
   * Starts a recording. It makes the JVM throw its compiled code away, and stopping it does so
   * again (JDK 17: flight recorder instruments classes by JVMTI): start it before a warm-up, and
   * {@link #mark} where the measurement begins.
   */
  static Profile start(long pid, Path file) {
    jcmd(pid, "JFR.start", "name=" + NAME, "settings=profile");
    return new Profile(pid, file.toAbsolutePath());
  }

  /** Leaves what was recorded until now out of the summary. */
  void mark() {
    from = Instant.now();
  }

  /** Ends the recording, which stays in its file. */
  void stop() {
    jcmd(pid, "JFR.stop", "name=" + NAME, "filename=" + file);
  }

  /**
   * Returns the shares of samples: one line for each of the busiest threads, followed by its
   * methods, each with our method that called it.
   */
  List<String> top(int threads, int methods) {
    Map<String, Map<String, Integer>> counts = new HashMap<>();
    Duration pauses =
        read(
            (thread, frames, weight) ->
                counts
                    .computeIfAbsent(thread, t -> new HashMap<>())
                    .merge(where(frames), weight, Integer::sum));
    Map<String, Integer> byThread = new HashMap<>();
    counts.forEach(
        (thread, inside) -> byThread.put(thread, inside.values().stream().mapToInt(n -> n).sum()));
    int samples = byThread.values().stream().mapToInt(n -> n).sum();
    List<String> top = new ArrayList<>();
    top.add(
        samples
            + " samples of "
            + file
            + "; garbage collection paused it for "
            + pauses.toMillis()
            + " ms");
    for (String thread : largest(byThread, threads)) {
      top.add(share(byThread.get(thread), samples) + thread);
      for (String method : largest(counts.get(thread), methods)) {
        top.add("  " + share(counts.get(thread).get(method), samples) + method);
      }
    }
    return top;
  }

  /**
   * Writes the sampled stacks, each with the number of its samples: the form that tools for flame
   * graphs read ("collapsed stacks").
   */
  void writeStacks(Path stacks) throws IOException {
    Map<String, Integer> counts = new TreeMap<>();
    read(
        (thread, frames, weight) -> {
          StringBuilder stack = new StringBuilder(thread);
          for (int i = frames.size() - 1; i >= 0; i--) {
            stack.append(';').append(method(frames.get(i)));
          }
          counts.merge(stack.toString(), weight, Integer::sum);
        });
    List<String> lines = new ArrayList<>();
    counts.forEach((stack, count) -> lines.add(stack + " " + count));
    Files.write(stacks, lines);
  }

  /** Takes a sampled stack: its thread, its frames, and the samples that it stands for. */
  private interface Samples {
    void add(String thread, List<RecordedFrame> frames, int weight);
  }

  /** Reads the recording, and returns for how long garbage collection paused the JVM. */
  private Duration read(Samples samples) {
    Duration pauses = Duration.ZERO;
    try (RecordingFile recording = new RecordingFile(file)) {
      while (recording.hasMoreEvents()) {
        RecordedEvent event = recording.readEvent();
        if (event.getStartTime().isBefore(from)) {
          continue;
        }
        String type = event.getEventType().getName();
        if (type.equals("jdk.GarbageCollection")) {
          pauses = pauses.plus(event.getDuration("sumOfPauses"));
        }
        int weight = weight(type, event);
        if (weight > 0) {
          RecordedThread thread = event.getThread("sampledThread");
          samples.add(
              thread == null ? "?" : name(thread.getJavaName()),
              event.getStackTrace().getFrames(),
              weight);
        }
      }
    } catch (IOException e) {
      throw new PlatformException(
          "the recording " + file + " cannot be read: " + e.getMessage(), e);
    }
    return pauses;
  }

  /**
   * Native code is sampled half as often as Java code, and a waiting thread is sampled too. So only
   * RocksDB's native samples count, twice.
   */
  private static int weight(String type, RecordedEvent event) {
    if (event.getStackTrace() == null || event.getStackTrace().getFrames().isEmpty()) {
      return 0;
    }
    if (type.equals("jdk.NativeMethodSample")) {
      return method(event.getStackTrace().getFrames().get(0)).startsWith("org.rocksdb.") ? 2 : 0;
    }
    return type.equals("jdk.ExecutionSample") ? 1 : 0;
  }

  private static String where(List<RecordedFrame> frames) {
    String running = method(frames.get(0));
    return frames.stream()
        .map(Profile::method)
        .filter(method -> method.startsWith("io.experimentetl."))
        .findFirst()
        .map(ours -> ours.equals(running) ? running : running + " <- " + ours)
        .orElse(running);
  }

  private static String method(RecordedFrame frame) {
    return frame.getMethod().getType().getName() + "." + frame.getMethod().getName();
  }

  /** Removes the subtask number and the attempt. */
  private static String name(String thread) {
    return thread == null ? "?" : thread.replaceAll(" \\(\\d+/\\d+\\)#\\d+.*", "");
  }

  private static List<String> largest(Map<String, Integer> counts, int limit) {
    return counts.entrySet().stream()
        .sorted(Map.Entry.<String, Integer>comparingByValue(Comparator.reverseOrder()))
        .limit(limit)
        .map(Map.Entry::getKey)
        .toList();
  }

  private static String share(int count, int samples) {
    return String.format(Locale.ROOT, "%5.1f %%  ", 100.0 * count / samples);
  }

  private static void jcmd(long pid, String... command) {
    List<String> line =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "jcmd").toString(),
                Long.toString(pid)));
    line.addAll(List.of(command));
    try {
      Process process = new ProcessBuilder(line).redirectErrorStream(true).start();
      String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
        throw new PlatformException(
            "jcmd "
                + String.join(" ", command)
                + " of process "
                + pid
                + " failed: "
                + output.strip());
      }
    } catch (IOException e) {
      throw new PlatformException(
          "cannot start jcmd; install a JDK, not only a JRE: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while profiling", e);
    }
  }
}
