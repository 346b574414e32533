package io.experimentetl;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The content of the job jar. */
class JobJarIT {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "org/apache/flink/api/",
        "org/apache/flink/core/",
        "org/apache/flink/runtime/",
        "org/apache/flink/streaming/api/",
        "org/apache/flink/streaming/runtime/",
        "org/slf4j/",
        "org/apache/log4j/",
        "org/apache/logging/",
        "ch/qos/",
        "org/eclipse/jetty/",
        "org/glassfish/",
        "javax/servlet/",
        "javax/ws/",
        "org/apache/maven/",
        "org/reflections/"
      })
  void jarHasNoFlinkNoLoggingAndNoWebServer(String folder) throws IOException {
    try (JarFile jar = new JarFile("target/experiment-etl.jar")) {
      assertThat(jar.stream().map(JarEntry::getName).filter(name -> name.startsWith(folder)))
          .isEmpty();
    }
  }
}
