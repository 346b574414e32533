package io.experimentetl.bench;

import io.experimentetl.local.PlatformException;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;

/** Processor time of a process and its descendants, from {@code /proc}. */
final class CpuSeconds {
  /** {@code getconf CLK_TCK} on every Linux that Java runs on. */
  private static final double TICKS_PER_SECOND = 100;

  private CpuSeconds() {}

  /** User and system time since the start, including ended children. */
  static double of(long pid) {
    return Stream.concat(
            Stream.of(pid),
            ProcessHandle.of(pid).stream()
                .flatMap(ProcessHandle::descendants)
                .map(ProcessHandle::pid))
        .mapToDouble(CpuSeconds::ofOne)
        .sum();
  }

  private static double ofOne(long pid) {
    try {
      // utime, stime, cutime and cstime
      return seconds(Files.readString(Path.of("/proc", Long.toString(pid), "stat")), 17);
    } catch (IOException e) {
      // The process has ended; its parent's time includes it.
      return 0;
    }
  }

  /**
   * The same of the threads that a process has now, by their names: 15 characters at most, without
   * the numbers of those that share one.
   */
  static Map<String, Double> byThread(long pid) {
    Map<String, Double> seconds = new TreeMap<>();
    try (DirectoryStream<Path> threads =
        Files.newDirectoryStream(Path.of("/proc", Long.toString(pid), "task"))) {
      for (Path thread : threads) {
        try {
          String stat = Files.readString(thread.resolve("stat"));
          String name = stat.substring(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
          // utime and stime; a thread has no children
          seconds.merge(name.replaceAll("[-#]?\\d+.*", ""), seconds(stat, 15), Double::sum);
        } catch (IOException ended) {
          // Its time is lost: threads that live for less than a backlog use little.
        }
      }
    } catch (IOException e) {
      throw new PlatformException("cannot read the threads of process " + pid + ": " + e, e);
    }
    return seconds;
  }

  /** The sum of the fields from utime, which is the 14th, to this one. */
  private static double seconds(String stat, int lastField) {
    // The name in parentheses may hold spaces; behind it is the third field.
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    long ticks = 0;
    for (int i = 14; i <= lastField; i++) {
      ticks += Long.parseLong(fields[i - 3]);
    }
    return ticks / TICKS_PER_SECOND;
  }
}
