package io.experimentetl.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TlsKeysTest {
  private static final Map<String, String> SECRETS =
      Map.of("EXPERIMENT_ETL_SOURCE_PASSWORD", "s", "EXPERIMENT_ETL_CLICKHOUSE_PASSWORD", "s");

  @Test
  void filesOfTlsAreReadBeforeAnythingConnects() {
    assertThat(errorsOf("source: {tls: {mode: verify-full, ca-file: /no/ca.crt}}"))
        .singleElement()
        .asString()
        .contains("source.tls.ca-file", "names /no/ca.crt, which cannot be read");
    assertThat(errorsOf("source: {tls: {ca-file: /no/ca.crt}}").get(0))
        .contains("source.tls.ca-file", "does not check the server's certificate", "verify-full");
    assertThat(errorsOf("source: {tls: {certificate-file: /no/c.crt}}").get(0))
        .contains("source.tls.certificate-file", "does not demand TLS");
    assertThat(errorsOf("source: {tls: {mode: require, certificate-file: /no/c.crt}}").get(0))
        .contains("source.tls.key-file", "need each other");
    assertThat(errorsOf("clickhouse: {url: 'http://ch:8123', tls: {ca-file: /no/ca.crt}}"))
        .hasSize(2)
        .satisfiesOnlyOnce(
            error ->
                assertThat(error).contains("clickhouse.url", "begins with http://", "https port"));
  }

  private static List<String> errorsOf(String yaml) {
    InvalidConfigurationException refused =
        catchThrowableOfType(
            InvalidConfigurationException.class, () -> JobConfig.parse("file", yaml, SECRETS));
    return refused.errors().stream().map(ConfigurationError::toString).toList();
  }
}
