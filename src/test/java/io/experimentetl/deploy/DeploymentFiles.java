package io.experimentetl.deploy;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.experimentetl.cli.Tool;
import io.experimentetl.config.JobConfig;
import io.experimentetl.config.Secret;
import io.experimentetl.operations.NamedDeployment;
import io.experimentetl.operations.NamedServers;
import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.flink.configuration.GlobalConfiguration;
import org.yaml.snakeyaml.LoaderOptions;
import org.yaml.snakeyaml.Yaml;
import org.yaml.snakeyaml.constructor.SafeConstructor;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParseResult;

/** Reads the files that deploy the job, and what they must agree with. */
public final class DeploymentFiles {

  /** The jar's path in the image and on a machine with the units of systemd. */
  public static final String JAR = "/opt/experiment-etl/experiment-etl.jar";

  /** The image of the job, as the Dockerfile's head builds it. */
  public static String image() throws IOException {
    return "experiment-etl:" + pom("version");
  }

  private DeploymentFiles() {}

  /** The documents of a YAML file. */
  public static List<JsonNode> yaml(Path file) throws IOException {
    List<JsonNode> documents = new ArrayList<>();
    try (Reader reader = Files.newBufferedReader(file)) {
      for (Object document : new Yaml(new SafeConstructor(new LoaderOptions())).loadAll(reader)) {
        documents.add(new ObjectMapper().valueToTree(document));
      }
    }
    return documents;
  }

  /** The text of an element of the project in pom.xml: its version, or a property. */
  public static String pom(String element) throws IOException {
    Matcher matcher =
        Pattern.compile("<" + Pattern.quote(element) + ">([^<]+)</")
            .matcher(Files.readString(Path.of("pom.xml")));
    if (!matcher.find()) {
      throw new IllegalArgumentException("pom.xml has no " + element);
    }
    return matcher.group(1);
  }

  /** flink-conf/config.yaml by Flink's keys, such as {@code rest.port}. */
  public static Map<String, String> flinkConf() {
    return new TreeMap<>(GlobalConfiguration.loadConfiguration("flink-conf").toMap());
  }

  /**
   * The port of the metrics where one process has an address of its own: the first of its range.
   */
  public static int metricsPort() {
    return Integer.parseInt(flinkConf().get("metrics.reporter.prom.port").split("-", 2)[0]);
  }

  /** The texts of a list; empty if the node is missing. */
  public static List<String> texts(JsonNode list) {
    List<String> texts = new ArrayList<>();
    list.forEach(item -> texts.add(item.asText()));
    return texts;
  }

  @Command
  private static final class AllVerbs {}

  /**
   * Parses the words behind {@code java -jar JAR}.
   *
   * @return the verb with its options
   * @throws CommandLine.ParameterException if the tool does not know a word
   */
  public static ParseResult verb(List<String> words) {
    CommandLine line = new CommandLine(new AllVerbs());
    Tool.addVerbs(line, NamedServers::new, () -> new NamedDeployment(Path.of(JAR)));
    return line.parseArgs(words.toArray(new String[0])).subcommand();
  }

  /** The value of a verb's option, as text. */
  public static String option(ParseResult verb, String name) {
    Object value = verb.matchedOptionValue(name, null);
    return String.valueOf(value);
  }

  /**
   * Reads a configuration whose passwords are in files. The files are made, because a configuration
   * without them is refused.
   *
   * @param text of the configuration
   * @param passwords the folder that the text names, which a test replaces by its own
   * @param folder the test's own
   */
  public static JobConfig config(String text, String passwords, Path folder) throws IOException {
    for (String role : List.of("source", "clickhouse")) {
      Files.writeString(folder.resolve(role + "-password"), "secret of " + role);
    }
    JobConfig config =
        JobConfig.load(
            Files.writeString(
                folder.resolve("job.yaml"), text.replace(passwords, folder.toString())),
            Map.of());
    assertThat(config.source().password()).isEqualTo(Secret.fromFile(folder + "/source-password"));
    assertThat(config.clickhouse().password())
        .isEqualTo(Secret.fromFile(folder + "/clickhouse-password"));
    return config;
  }

  /** All files that deploy the job. */
  public static List<Path> all() throws IOException {
    List<Path> all = new ArrayList<>(List.of(Path.of("docker-compose.yml")));
    try (Stream<Path> files = Files.walk(Path.of("deploy"))) {
      files.filter(Files::isRegularFile).filter(DeploymentFiles::isKept).sorted().forEach(all::add);
    }
    return all;
  }

  /** Not the secrets of somebody who runs Compose here. */
  private static boolean isKept(Path file) {
    return !file.startsWith("deploy/docker-compose/secrets");
  }
}
