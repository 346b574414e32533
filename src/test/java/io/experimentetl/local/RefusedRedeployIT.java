package io.experimentetl.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.experimentetl.ExperimentEtlJob;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.CleanupMode;
import org.junit.jupiter.api.io.TempDir;

/** A job that is refused does not leave the platform without one. */
class RefusedRedeployIT {
  private static final Path HOME = Path.of("").toAbsolutePath();
  private static final Path JAR = HOME.resolve("target/experiment-etl.jar");
  private static final Duration DEADLINE = Duration.ofMinutes(1);

  @TempDir(cleanup = CleanupMode.ON_SUCCESS)
  private static Path folder;

  private static Platform platform;
  private static PlatformAddresses addresses;
  private static Etl.Place place;
  private String before;
  private String former;

  @BeforeAll
  static void start() {
    platform = Platform.start(folder, HOME, PlatformOptions.defaults().withoutKafka());
    addresses = platform.addresses();
    place = new Etl.Place();
    place.directory = folder;
    submit();
  }

  @AfterAll
  static void stop() {
    platform.close();
  }

  @BeforeEach
  void remember() throws IOException {
    before = Files.readString(addresses.jobConfig());
    // Where another test failed, none runs.
    if (addresses.flink().activeJob(ExperimentEtlJob.NAME).isEmpty()) {
      submit();
    }
    former = runs();
  }

  @AfterEach
  void restore() throws IOException {
    Files.writeString(addresses.jobConfig(), before);
  }

  private static void edit(Consumer<ObjectNode> change) throws Exception {
    Path draft = folder.resolve("edited.yaml");
    addresses.withJobConfig(draft, change);
    Files.move(draft, addresses.jobConfig(), StandardCopyOption.REPLACE_EXISTING);
  }

  /** A user written now arrives: a job runs, and it is not the one of before. */
  private void requireThatItGoesOn(String user) throws SQLException {
    assertThat(addresses.flink().activeJob(ExperimentEtlJob.NAME).orElseThrow().id())
        .isNotEqualTo(former);
    try (Connection connection = addresses.postgres().connect();
        Statement statement = connection.createStatement()) {
      statement.execute("INSERT INTO users (user_id) VALUES ('" + user + "')");
    }
    await()
        .atMost(DEADLINE)
        .until(
            () ->
                addresses
                        .clickHouse()
                        .count("SELECT count() FROM users WHERE user_id = '" + user + "'")
                    == 1);
  }

  /** From the latest state, where there is one. */
  private static void submit() {
    new JobDeployment(addresses, JAR).submit(JobDeployment.latestState(folder), 1, List.of());
  }

  private static String runs() {
    return addresses.flink().activeJob(ExperimentEtlJob.NAME).orElseThrow().id();
  }

  private static void restate(String metric) {
    RestateCommand restate = new RestateCommand();
    restate.place = place;
    restate.metric = metric;
    restate.from = LocalDate.now(ZoneOffset.UTC);
    restate.call();
  }

  @Test
  void aRefusedRedeployBringsTheFormerJobBack() throws Exception {
    edit(root -> root.withObject("/statistics").put("allowed-lateness", "1d"));
    String edited = Files.readString(addresses.jobConfig());
    RedeployCommand redeploy = new RedeployCommand();
    redeploy.place = place;
    redeploy.successor = new Etl.Successor();

    assertThatThrownBy(redeploy::call)
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("statistics.allowed-lateness")
        .hasMessageContaining("goes on where the former one stopped");

    requireThatItGoesOn("u1");
    assertThat(Files.readString(addresses.jobConfig())).isEqualTo(edited);
  }

  @Test
  void aRefusedRestateBringsTheFormerJobBack() throws Exception {
    edit(
        root -> {
          ArrayNode metrics = root.withObject("/statistics").putArray("metrics");
          metrics
              .addObject()
              .put("name", "conversion")
              .put("kind", "count")
              .put("event-type", "conversion");
          metrics
              .addObject()
              .put("name", "revenue")
              .put("kind", "mean")
              .put("event-type", "purchase")
              .put("property", "revenue");
        });
    String edited = Files.readString(addresses.jobConfig());

    assertThatThrownBy(() -> restate("conversion"))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("nothing was restated")
        .hasMessageContaining("another kind needs another name")
        .hasMessageContaining("goes on where the former one stopped");

    requireThatItGoesOn("u2");
    assertThat(Files.readString(addresses.jobConfig())).isEqualTo(edited);
  }

  @Test
  void metricsDoNotEndByBeingLeftOut() throws Exception {
    edit(
        root ->
            root.withObject("/statistics")
                .putArray("metrics")
                .addObject()
                .put("name", "orders")
                .put("kind", "count")
                .put("event-type", "purchase"));

    assertThatThrownBy(() -> restate("orders"))
        .isInstanceOf(PlatformException.class)
        .hasMessageContaining("lacks metrics that have been counted (conversion, revenue)")
        .hasMessageContaining("--end conversion --end revenue (of ./etl redeploy and ./etl submit)")
        .hasMessageContaining("The job that runs was not touched");

    assertThat(runs()).isEqualTo(former);
  }

  /** As ./etl up does behind ./etl down. */
  @Test
  void aPlatformThatIsStartedAgainKeepsTheJobsConfiguration() throws Exception {
    edit(root -> root.withObject("/findings").put("grace", "7s"));
    Platform.requireSoundJobConfig(folder, PlatformOptions.defaults().withoutKafka());
    platform.close();
    platform = Platform.start(folder, HOME, PlatformOptions.defaults().withoutKafka());
    addresses = platform.addresses();
    Duration grace = addresses.loadJobConfig().findings().grace();
    restore();
    submit();
    assertThat(grace).isEqualTo(Duration.ofSeconds(7));
  }
}
