package io.experimentetl.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.config.JobConfig;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine.ParseResult;

/** deploy/systemd against the repository; {@code systemd-analyze verify} knows the directives. */
class SystemdUnitsTest {
  private static final Path FOLDER = Path.of("deploy/systemd");
  private static final String CONFIG = "/etc/experiment-etl/experiment-etl.yaml";
  private static final String TOOL = "/usr/bin/java -jar " + DeploymentFiles.JAR + " ";
  private static final String PAGE = "docs/deployment.md";

  /** The settings of each unit, by section and key: {@code Service.ExecStart}. */
  private static Map<String, Map<String, String>> units;

  @BeforeAll
  static void read() throws IOException {
    units = new TreeMap<>();
    try (Stream<Path> files = Files.list(FOLDER)) {
      for (Path file : files.filter(each -> !each.toString().endsWith(".yaml")).toList()) {
        units.put(file.getFileName().toString(), settings(file));
      }
    }
  }

  private static Map<String, String> settings(Path file) throws IOException {
    Map<String, String> settings = new TreeMap<>();
    String section = "";
    for (String line : Files.readAllLines(file)) {
      if (line.startsWith("[")) {
        section = line.substring(1, line.length() - 1);
      } else if (!line.isEmpty() && !line.startsWith("#")) {
        int equals = line.indexOf('=');
        assertThat(
                settings.put(section + "." + line.substring(0, equals), line.substring(equals + 1)))
            .as(file + ": " + line)
            .isNull();
      }
    }
    return settings;
  }

  @Test
  void everyServiceRunsAsTheSameUserWithoutPrivileges() {
    assertThat(units.keySet())
        .containsExactlyInAnyOrder(
            "experiment-etl-jobmanager.service",
            "experiment-etl-taskmanager.service",
            "experiment-etl-submit.service",
            "experiment-etl-forget.service",
            "experiment-etl-forget.timer",
            "experiment-etl-serve.service",
            "experiment-etl-verify.service",
            "experiment-etl-verify.timer");
    units.forEach(
        (name, unit) -> {
          if (name.endsWith(".service")) {
            assertThat(unit)
                .as(name)
                .containsEntry("Service.User", "experiment-etl")
                .containsEntry("Service.NoNewPrivileges", "true")
                .containsEntry("Service.ProtectSystem", "strict");
          }
        });
  }

  @Test
  void flinksProcessesHaveTheRepositorysSettings() {
    for (String process : List.of("jobmanager", "taskmanager")) {
      Map<String, String> unit = units.get("experiment-etl-" + process + ".service");
      assertThat(unit)
          .containsEntry(
              "Service.ExecStart", "/opt/flink/bin/%s.sh start-foreground".formatted(process))
          .containsEntry(
              "Service.Environment",
              "FLINK_CONF_DIR=/etc/experiment-etl/flink-conf FLINK_LOG_DIR=/var/log/experiment-etl")
          .containsEntry("Service.LogsDirectory", "experiment-etl");
      for (String key :
          List.of("execution.checkpointing.dir", "execution.checkpointing.savepoint-dir")) {
        assertThat(URI.create(DeploymentFiles.flinkConf().get(key)).getPath())
            .startsWith(unit.get("Service.ReadWritePaths") + "/");
      }
    }
  }

  @Test
  void jobIsSubmittedWhenTheJobManagerAnswers() {
    Map<String, String> unit = units.get("experiment-etl-submit.service");
    String address = "http://127.0.0.1:" + DeploymentFiles.flinkConf().get("rest.port");
    ParseResult verb = verb(unit);
    assertThat(verb.commandSpec().name()).isEqualTo("submit");
    assertThat(DeploymentFiles.option(verb, "--flink")).isEqualTo(address);
    assertThat(unit.get("Service.ExecStartPre"))
        .contains("--retry-connrefused ")
        .endsWith(" " + address + "/overview");
    assertThat(DeploymentFiles.option(verb, "--state-directory"))
        .isEqualTo("/var/lib/" + unit.get("Service.StateDirectory"));
    assertThat(DeploymentFiles.option(verb, "--cluster-state"))
        .isEqualTo(unit.get("Service.ReadWritePaths"));
    assertThat(unit)
        .containsEntry("Service.Type", "oneshot")
        .containsEntry("Unit.Requires", "experiment-etl-jobmanager.service")
        .containsEntry("Install.WantedBy", "multi-user.target experiment-etl-jobmanager.service");
  }

  @Test
  void apiAsksTheJobManagerAndUsesItsOwnRole(@TempDir Path folder) throws IOException {
    Map<String, String> unit = units.get("experiment-etl-serve.service");
    ParseResult verb = verb(unit);
    assertThat(verb.commandSpec().name()).isEqualTo("serve");
    assertThat(DeploymentFiles.option(verb, "--flink"))
        .isEqualTo("http://127.0.0.1:" + DeploymentFiles.flinkConf().get("rest.port"));
    assertThat(DeploymentFiles.option(verb, "--state-directory"))
        .isEqualTo("/var/lib/" + unit.get("Service.StateDirectory"));
    assertThat(Files.readString(Path.of("sql/postgres/005_retention.sql")))
        .contains("CREATE ROLE " + DeploymentFiles.option(verb, "--postgres-user") + " ");
    assertThat(
            DeploymentFiles.config(
                    Files.readString(FOLDER.resolve("experiment-etl.yaml")),
                    "/etc/experiment-etl/passwords",
                    folder)
                .serve()
                .tokensFile())
        .isEqualTo("/etc/experiment-etl/tokens");
  }

  private static ParseResult verb(Map<String, String> unit) {
    String command = unit.get("Service.ExecStart");
    assertThat(command).startsWith(TOOL);
    ParseResult verb = DeploymentFiles.verb(List.of(command.substring(TOOL.length()).split(" ")));
    assertThat(DeploymentFiles.option(verb, "--config")).isEqualTo(CONFIG);
    return verb;
  }

  @Test
  void timersRunTheVerbsOfTheSchedule() {
    List<String> schedule = new ArrayList<>();
    units.forEach(
        (name, unit) -> {
          if (name.endsWith(".timer")) {
            ParseResult verb = verb(units.get(name.replace(".timer", ".service")));
            assertThat(name).isEqualTo("experiment-etl-" + verb.commandSpec().name() + ".timer");
            schedule.add(
                unit.get("Timer.OnCalendar") + " " + String.join(" ", verb.originalArgs()));
            assertThat(unit).containsEntry("Install.WantedBy", "timers.target");
          }
        });
    assertThat(schedule)
        .containsExactly(
            "*-*-* 02:00:00 UTC forget --config=" + CONFIG,
            "Sun *-*-* 03:00:00 UTC verify --record --config=" + CONFIG);
  }

  @Test
  void configurationIsValid(@TempDir Path folder) throws IOException {
    JobConfig config =
        DeploymentFiles.config(
            Files.readString(FOLDER.resolve("experiment-etl.yaml")),
            "/etc/experiment-etl/passwords",
            folder);
    assertThat(config.source().host()).isEqualTo("localhost");
  }

  @Test
  void documentationInstallsWhatTheUnitsName() throws IOException {
    assertThat(Files.readString(Path.of(PAGE)))
        .contains(
            DeploymentFiles.JAR,
            "/etc/experiment-etl/flink-conf",
            "/etc/experiment-etl/passwords",
            "/opt/flink/state",
            "deploy/systemd/*.service",
            "deploy/systemd/*.timer",
            "flink-" + DeploymentFiles.pom("flink.version"));
  }
}
