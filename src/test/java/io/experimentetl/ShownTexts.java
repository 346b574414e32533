package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.core.Appender;
import org.apache.logging.log4j.core.LoggerContext;
import org.apache.logging.log4j.core.appender.WriterAppender;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.logging.log4j.core.config.LoggerConfig;
import org.apache.logging.log4j.core.layout.PatternLayout;

/**
 * Everything that a job shows to others while it runs: its log from INFO on, Flink's REST answers,
 * files of state, and the command lines of all processes.
 */
final class ShownTexts implements AutoCloseable {
  private static final String LOG = "the log";

  private final MiniCluster flink;
  private final Map<String, String> texts = new LinkedHashMap<>();
  private final StringWriter log = new StringWriter();
  private final WriterAppender appender;
  private final LoggerContext loggers = (LoggerContext) LogManager.getContext(false);
  private final Level formerLevel = loggers.getConfiguration().getRootLogger().getLevel();

  private ShownTexts(MiniCluster flink) {
    this.flink = flink;
    this.appender =
        WriterAppender.createAppender(
            PatternLayout.newBuilder().withPattern("%p %c %m%n%throwable").build(),
            null,
            log,
            "shown",
            false,
            true);
  }

  /** Begins to keep the log. */
  static ShownTexts from(MiniCluster flink) {
    ShownTexts shown = new ShownTexts(flink);
    shown.appender.start();
    shown.othersFrom(shown.formerLevel);
    shown.loggers.getConfiguration().getRootLogger().addAppender(shown.appender, Level.INFO, null);
    Configurator.setRootLevel(Level.INFO);
    return shown;
  }

  /** The console stays as quiet as it is. */
  private void othersFrom(Level level) {
    LoggerConfig root = loggers.getConfiguration().getRootLogger();
    for (Appender other : List.copyOf(root.getAppenders().values())) {
      root.removeAppender(other.getName());
      root.addAppender(other, level, null);
    }
  }

  void add(String place, String text) {
    texts.put(place, text);
  }

  /** What the REST interface says of the cluster and of the job. */
  void addFlinkAnswers(String job) throws Exception {
    URI address = flink.getRestAddress().get();
    for (String path :
        List.of(
            "/config",
            "/jobmanager/config",
            "/jobmanager/environment",
            "/jobmanager/logs",
            "/taskmanagers",
            "/jobs/overview",
            "/jobs/" + job,
            "/jobs/" + job + "/config",
            "/jobs/" + job + "/exceptions?maxExceptions=100",
            "/jobs/" + job + "/plan",
            "/jobs/" + job + "/checkpoints")) {
      add(
          path,
          HttpClient.newHttpClient()
              .send(
                  HttpRequest.newBuilder(address.resolve(path)).build(),
                  HttpResponse.BodyHandlers.ofString())
              .body());
    }
  }

  /** All files below a folder; files that the job deletes meanwhile are left out. */
  void addFiles(Path folder) throws IOException {
    List<Path> files;
    try (Stream<Path> found = Files.walk(folder)) {
      files = found.filter(Files::isRegularFile).toList();
    }
    for (Path file : files) {
      addFile(file);
    }
  }

  private void addFile(Path file) throws IOException {
    try {
      add(file.toString(), new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1));
    } catch (NoSuchFileException deleted) {
      add(file.toString(), "");
    }
  }

  /** The command lines of all processes of this machine, as {@code ps} shows them. */
  void addProcesses() throws IOException {
    for (ProcessHandle process : ProcessHandle.allProcesses().toList()) {
      addFile(Path.of("/proc", Long.toString(process.pid()), "cmdline"));
    }
  }

  void assertNone(String... secrets) {
    assertThat(texts).as("places").hasSizeGreaterThan(15);
    assertThat(texts.get(LOG)).as(LOG).contains("postgres-changes");
    texts.forEach((place, text) -> assertThat(text).as(place).doesNotContain(secrets));
  }

  /** Ends the keeping of the log. */
  @Override
  public void close() {
    loggers.getConfiguration().getRootLogger().removeAppender("shown");
    Configurator.setRootLevel(formerLevel);
    othersFrom(null);
    appender.stop();
    add(LOG, log.toString());
  }
}
