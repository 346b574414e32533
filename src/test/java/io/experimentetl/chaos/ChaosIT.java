package io.experimentetl.chaos;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/** A short run: faults occur, and the audit after them finds no difference. */
class ChaosIT {
  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private Path folder;

  @Test
  void randomFaultsLoseAndDoubleNoRow() {
    StringWriter out = new StringWriter();
    CommandLine line = new CommandLine(new ChaosCommand());
    line.setOut(new PrintWriter(out, true));
    line.setErr(new PrintWriter(out, true));

    int code = line.execute("--seed", "7", "--faults", "3", "--directory", folder.toString());

    assertThat(code).as(out::toString).isZero();
    assertThat(out.toString()).contains("3 faults").contains("differences: 0;").contains("PASSED");
  }
}
