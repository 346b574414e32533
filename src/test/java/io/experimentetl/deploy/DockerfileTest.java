package io.experimentetl.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** deploy/docker/Dockerfile against the repository and pom.xml. */
class DockerfileTest {
  private static final Path FILE = Path.of("deploy/docker/Dockerfile");

  private static List<String> lines;

  @BeforeAll
  static void read() throws IOException {
    lines = Files.readAllLines(FILE).stream().filter(line -> !line.startsWith("#")).toList();
  }

  private static List<String> arguments(String instruction) {
    return lines.stream()
        .filter(line -> line.startsWith(instruction + " "))
        .map(line -> line.substring(instruction.length() + 1))
        .toList();
  }

  @Test
  void imagesAreThoseOfTheBuild() throws IOException {
    String java = DeploymentFiles.pom("maven.compiler.release");
    assertThat(arguments("FROM"))
        .containsExactly(
            "maven:3.9.9-eclipse-temurin-" + java + " AS build",
            "flink:" + DeploymentFiles.pom("flink.version") + "-java" + java);
  }

  @Test
  void copiedFilesExistAndAreInTheContext() throws IOException {
    List<String> sources = new ArrayList<>();
    for (String copy : arguments("COPY")) {
      if (!copy.startsWith("--from=")) {
        String source = copy.substring(0, copy.indexOf(' '));
        assertThat(Path.of(source)).exists();
        sources.add("!" + source);
      }
    }
    List<String> context =
        Files.readAllLines(Path.of(FILE + ".dockerignore")).stream()
            .filter(line -> !line.startsWith("#"))
            .toList();
    assertThat(context).startsWith("*");
    assertThat(context.subList(1, context.size())).containsExactlyInAnyOrderElementsOf(sources);
  }

  @Test
  void jarIsTheBuildsAndWhereTheDeploymentsExpectIt() throws IOException {
    assertThat(arguments("COPY"))
        .contains(
            "--from=build /build/target/%s.jar %s"
                .formatted(DeploymentFiles.pom("finalName"), DeploymentFiles.JAR),
            "flink-conf /opt/experiment-etl/flink-conf");
    assertThat(arguments("WORKDIR")).containsExactly("/build");
  }

  @Test
  void tagIsTheVersionOfThePom() throws IOException {
    assertThat(Files.readString(FILE))
        .contains("docker build --file " + FILE + " --tag " + DeploymentFiles.image() + " .");
    assertThat(arguments("LABEL").get(0))
        .contains(
            "image.version=\"" + DeploymentFiles.pom("version") + "\"",
            "image.licenses=\"Apache-2.0\"");
  }

  /** No file names another version of the image. */
  @Test
  void everyFileNamesTheImageByThisTag() throws IOException {
    for (Path file : DeploymentFiles.all()) {
      assertThat(Files.readString(file).replace(DeploymentFiles.image(), ""))
          .as(file.toString())
          .doesNotContain("experiment-etl:")
          .doesNotContain(":latest");
    }
  }
}
