package io.experimentetl.platform.demo;

import io.experimentetl.platform.PlatformException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordedFrame;
import jdk.jfr.consumer.RecordedThread;
import jdk.jfr.consumer.RecordingFile;

/** A flight recording of another JVM, and what it says. */
final class Profile {
  private static final String NAME = "experiment-etl";

  private final long pid;
  private final Path file;

  private Profile(long pid, Path file) {
    this.pid = pid;
    this.file = file;
  }

  static Profile start(long pid, Path file) {
    jcmd(pid, "JFR.start", "name=" + NAME, "settings=profile");
    return new Profile(pid, file.toAbsolutePath());
  }

  /** Ends the recording, which stays in its file. */
  void stop() {
    jcmd(pid, "JFR.stop", "name=" + NAME, "filename=" + file);
  }

  /** Shares of the samples by thread, and by the method that was running, the largest first. */
  List<String> top(int lines) {
    Map<String, Integer> threads = new HashMap<>();
    Map<String, Integer> methods = new HashMap<>();
    int samples = 0;
    try (RecordingFile recording = new RecordingFile(file)) {
      while (recording.hasMoreEvents()) {
        RecordedEvent event = recording.readEvent();
        if (!event.getEventType().getName().equals("jdk.ExecutionSample")
            || event.getStackTrace() == null) {
          continue;
        }
        samples++;
        RecordedThread thread = event.getThread("sampledThread");
        threads.merge(thread == null ? "?" : name(thread.getJavaName()), 1, Integer::sum);
        RecordedFrame frame = event.getStackTrace().getFrames().get(0);
        methods.merge(
            frame.getMethod().getType().getName() + "." + frame.getMethod().getName(),
            1,
            Integer::sum);
      }
    } catch (IOException e) {
      throw new PlatformException("the recording " + file + " can't be read: " + e.getMessage(), e);
    }
    List<String> top = new ArrayList<>();
    top.add(samples + " samples of " + file);
    top.addAll(shares(threads, samples, lines));
    top.add("");
    top.addAll(shares(methods, samples, lines));
    return top;
  }

  /** Without the subtask's number and the attempt. */
  private static String name(String thread) {
    return thread == null ? "?" : thread.replaceAll(" \\(\\d+/\\d+\\)#\\d+.*", "");
  }

  private static List<String> shares(Map<String, Integer> counts, int samples, int lines) {
    return counts.entrySet().stream()
        .sorted(Map.Entry.<String, Integer>comparingByValue(Comparator.reverseOrder()))
        .limit(lines)
        .map(
            e ->
                String.format(
                    Locale.ROOT, "%5.1f %%  %s", 100.0 * e.getValue() / samples, e.getKey()))
        .toList();
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
          "jcmd can't be started; a JDK must be installed, not only a JRE: " + e.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new PlatformException("interrupted while profiling", e);
    }
  }
}
