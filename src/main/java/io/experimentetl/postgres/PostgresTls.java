package io.experimentetl.postgres;

import io.experimentetl.tls.ServerTls;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;

/** TLS as properties of PostgreSQL's driver. They are paths and names, never secrets. */
public final class PostgresTls {
  static final String CA_FILE = "sslrootcert";
  static final String CERTIFICATE_FILE = "sslcert";
  static final String KEY_FILE = "sslkey";
  private static final String MODE = "sslmode";

  private PostgresTls() {}

  /** The driver's properties, by name. */
  public static Map<String, String> properties(ServerTls tls) {
    Map<String, String> properties = new LinkedHashMap<>();
    properties.put(
        MODE,
        switch (tls.mode()) {
          case DISABLE -> "disable";
          case PREFER -> "prefer";
          case REQUIRE -> "require";
          case VERIFY_CA -> "verify-ca";
          case VERIFY_FULL -> "verify-full";
        });
    if (tls.mode().demandsTls()) {
      properties.put("sslfactory", PemSocketFactory.class.getName());
    }
    putUnlessNull(properties, CA_FILE, tls.files().caFile());
    putUnlessNull(properties, CERTIFICATE_FILE, tls.files().certificateFile());
    putUnlessNull(properties, KEY_FILE, tls.files().keyFile());
    return properties;
  }

  private static void putUnlessNull(Map<String, String> properties, String name, String value) {
    if (value != null) {
      properties.put(name, value);
    }
  }

  /**
   * The URL with these properties as parameters, unless it says itself how it is encrypted.
   *
   * @param jdbcUrl {@code jdbc:postgresql://host:port/database}, perhaps with parameters
   */
  public static String inUrl(String jdbcUrl, ServerTls tls) {
    return jdbcUrl.contains(MODE + "=")
        ? jdbcUrl
        : PostgresSession.withParameters(jdbcUrl, parameters(tls));
  }

  /** The properties as parameters of a URL. */
  public static String parameters(ServerTls tls) {
    return properties(tls).entrySet().stream()
        .map(
            property ->
                property.getKey()
                    + "="
                    + URLEncoder.encode(property.getValue(), StandardCharsets.UTF_8))
        .collect(Collectors.joining("&"));
  }
}
