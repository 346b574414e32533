package io.experimentetl.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    String stat;
    try {
      stat = Files.readString(Path.of("/proc", Long.toString(pid), "stat"));
    } catch (IOException e) {
      // The process has ended; its parent's time includes it.
      return 0;
    }
    // The name in parentheses may hold spaces; utime, stime, cutime and cstime are fields 14 to 17.
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    long ticks = 0;
    for (int i = 11; i <= 14; i++) {
      ticks += Long.parseLong(fields[i]);
    }
    return ticks / TICKS_PER_SECOND;
  }
}
