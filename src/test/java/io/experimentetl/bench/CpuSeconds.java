package io.experimentetl.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** Processor time of a process and all that it started, from {@code /proc}. */
final class CpuSeconds {
  /** What {@code getconf CLK_TCK} says on every Linux that Java runs on. */
  private static final double TICKS_PER_SECOND = 100;

  private CpuSeconds() {}

  /** User and system time since the start, that of children that are gone included. */
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
      // It ended meanwhile: its parent carries its time.
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
