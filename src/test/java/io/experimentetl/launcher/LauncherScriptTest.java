package io.experimentetl.launcher;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The script {@code etl} and the build, by the version of Java that they find. */
class LauncherScriptTest {
  @TempDir private Path home;

  private record Run(int exitCode, String text) {}

  /** Runs a verb of a product that is built, with a java that prints the version and its words. */
  private Run etlWithJava(String version) throws Exception {
    Files.copy(Path.of("etl"), home.resolve("etl"));
    for (String directory : List.of("src", "sql", "target/test-classes", "bin")) {
      Files.createDirectories(home.resolve(directory));
    }
    for (String file :
        List.of(
            "pom.xml", "target/experiment-etl.jar", "target/test.classpath", "target/etl.built")) {
      Files.writeString(home.resolve(file), "");
    }
    Path java = home.resolve("bin/java");
    Files.writeString(
        java,
        """
        #!/bin/sh
        if [ "$1" = -version ]; then echo 'openjdk version "%s" 2026-01-20' >&2; else echo "ran $*"; fi
        """
            .formatted(version));
    assertThat(java.toFile().setExecutable(true)).isTrue();
    ProcessBuilder etl =
        new ProcessBuilder("bash", home.resolve("etl").toString(), "status")
            .redirectErrorStream(true);
    etl.environment().remove("JAVA_HOME");
    etl.environment()
        .merge("PATH", home.resolve("bin").toString(), (path, bin) -> bin + ":" + path);
    Process process = etl.start();
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Run(process.waitFor(), text);
  }

  @ParameterizedTest
  @CsvSource({"17.0.17", "17", "21.0.9", "21-ea"})
  void launcherRunsOnJava17And21(String version) throws Exception {
    Run run = etlWithJava(version);
    assertThat(run.exitCode()).as(run.text()).isZero();
    assertThat(run.text()).startsWith("ran ").contains("io.experimentetl.launcher.Launcher status");
  }

  @ParameterizedTest
  @CsvSource({"1.8.0_462,1", "11.0.28,11", "18.0.2,18", "25,25"})
  void launcherRefusesOtherVersionsByName(String version, String major) throws Exception {
    Run run = etlWithJava(version);
    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.text())
        .startsWith("etl: Java 17 or 21 is needed")
        .contains(" is " + major + ".", "set JAVA_HOME")
        .doesNotContain("ran ");
  }

  @Test
  void buildAcceptsTheSameVersions() throws Exception {
    assertThat(Files.readString(Path.of("pom.xml")))
        .containsPattern("<requireJavaVersion>\\s*<version>\\[17,18\\),\\[21,22\\)</version>");
  }
}
