package io.experimentetl.bench;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;

class BenchCommandTest {
  @ParameterizedTest
  @CsvSource({"--rounds, 0", "--rounds, -2", "--rows, 0"})
  void numberBelowOneIsRefusedBeforeAnythingStarts(String option, String number) {
    StringWriter err = new StringWriter();
    int exitCode =
        new CommandLine(new BenchCommand()).setErr(new PrintWriter(err)).execute(option, number);

    assertThat(exitCode).isEqualTo(CommandLine.ExitCode.USAGE);
    assertThat(err.toString()).startsWith(option + " is " + number + "; it must be at least 1");
  }

  @Test
  void processorTimeIsCountedByThread() {
    long end = System.nanoTime() + 100_000_000L;
    long spins = 0;
    while (System.nanoTime() < end) {
      spins++;
    }

    assertThat(spins).isPositive();
    assertThat(CpuSeconds.byThread(ProcessHandle.current().pid()).values())
        .anySatisfy(seconds -> assertThat(seconds).isPositive());
  }
}
