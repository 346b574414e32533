package io.experimentetl.archive;

import io.experimentetl.config.ArchiveConfig;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import java.util.stream.Stream;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.core.sync.ResponseTransformer;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.S3ClientBuilder;
import software.amazon.awssdk.services.s3.model.BucketVersioningStatus;
import software.amazon.awssdk.services.s3.model.NoSuchKeyException;
import software.amazon.awssdk.services.s3.model.ObjectLockEnabled;
import software.amazon.awssdk.services.s3.model.S3Exception;
import software.amazon.awssdk.services.s3.model.S3Object;

/**
 * The archive in a bucket.
 *
 * <ul>
 *   <li>A versioned bucket keeps what is deleted, so a file is removed version by version.
 *   <li>Object Lock forbids that, so such a bucket is refused.
 *   <li>A server that knows no versions or locks has neither: it answers 501, and to a question
 *       about what the bucket does not have 404 or 400.
 *   <li>Only the checksums that a request needs are sent: not every server knows the newer ones.
 *       The manifest has its own.
 * </ul>
 */
final class S3Store implements ArchiveStore {
  private static final Set<Integer> HAS_NONE = Set.of(400, 404, 501);

  private final ArchiveConfig.S3 config;
  private final S3Client client;
  private final String prefix;
  private Boolean versioned;

  S3Store(ArchiveConfig.S3 config) {
    this.config = config;
    this.prefix = config.prefix().isEmpty() ? "" : config.prefix() + "/";
    S3ClientBuilder builder =
        S3Client.builder()
            .httpClient(UrlConnectionHttpClient.create())
            .region(Region.of(config.region()))
            .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
            .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED)
            .credentialsProvider(credentials(config));
    if (config.endpoint() != null) {
      builder.endpointOverride(URI.create(config.endpoint())).forcePathStyle(true);
    }
    this.client = builder.build();
  }

  private static AwsCredentialsProvider credentials(ArchiveConfig.S3 config) {
    return config.username() == null
        ? DefaultCredentialsProvider.builder().build()
        : StaticCredentialsProvider.create(
            AwsBasicCredentials.create(config.username(), config.password().value()));
  }

  @Override
  public void check() throws IOException {
    ask(() -> client.headBucket(request -> request.bucket(config.bucket())));
    boolean locked =
        ask(
            () ->
                orElse(
                    () ->
                        client
                                .getObjectLockConfiguration(
                                    request -> request.bucket(config.bucket()))
                                .objectLockConfiguration()
                                .objectLockEnabled()
                            == ObjectLockEnabled.ENABLED,
                    false));
    if (locked) {
      throw new IOException(
          "The bucket "
              + config.bucket()
              + " has Object Lock, which keeps files that must be removed when a user is erased. Use a bucket without it (archive.s3.bucket).");
    }
    isVersioned();
  }

  /** The answer, or the default where the server has no such thing. */
  private static <T> T orElse(Supplier<T> question, T defaultValue) {
    try {
      return question.get();
    } catch (S3Exception e) {
      if (HAS_NONE.contains(e.statusCode())) {
        return defaultValue;
      }
      throw e;
    }
  }

  /** A bucket that once had versions may still hold some. */
  private boolean isVersioned() throws IOException {
    if (versioned == null) {
      BucketVersioningStatus status =
          ask(
              () ->
                  orElse(
                      () ->
                          client
                              .getBucketVersioning(request -> request.bucket(config.bucket()))
                              .status(),
                      null));
      versioned = status != null;
    }
    return versioned;
  }

  @Override
  public void write(String name, Path file) throws IOException {
    ask(
        () ->
            client.putObject(
                request -> request.bucket(config.bucket()).key(prefix + name),
                RequestBody.fromFile(file)));
  }

  @Override
  public void read(String name, Path to) throws IOException {
    ask(
        () ->
            client.getObject(
                request -> request.bucket(config.bucket()).key(prefix + name),
                ResponseTransformer.toFile(to)));
  }

  @Override
  public List<String> list(String wanted) throws IOException {
    Stream<String> keys =
        isVersioned()
            ? versions(prefix + wanted).stream().map(Version::key)
            : ask(
                () ->
                    client
                        .listObjectsV2Paginator(
                            request -> request.bucket(config.bucket()).prefix(prefix + wanted))
                        .contents()
                        .stream()
                        .map(S3Object::key)
                        .toList())
                .stream();
    return List.copyOf(new TreeSet<>(keys.map(key -> key.substring(prefix.length())).toList()));
  }

  private record Version(String key, String id) {}

  /** All versions of the keys that begin with this, delete markers included. */
  private List<Version> versions(String wanted) throws IOException {
    return ask(
        () ->
            client
                .listObjectVersionsPaginator(
                    request -> request.bucket(config.bucket()).prefix(wanted))
                .stream()
                .flatMap(
                    page ->
                        Stream.concat(
                            page.versions().stream()
                                .map(version -> new Version(version.key(), version.versionId())),
                            page.deleteMarkers().stream()
                                .map(marker -> new Version(marker.key(), marker.versionId()))))
                .toList());
  }

  @Override
  public int remove(String name) throws IOException {
    String key = prefix + name;
    if (!isVersioned()) {
      ask(() -> client.deleteObject(request -> request.bucket(config.bucket()).key(key)));
      return 1;
    }
    List<Version> all =
        versions(key).stream().filter(version -> version.key().equals(key)).toList();
    for (Version version : all) {
      ask(
          () ->
              client.deleteObject(
                  request -> request.bucket(config.bucket()).key(key).versionId(version.id())));
    }
    return all.size();
  }

  private <T> T ask(Supplier<T> request) throws IOException {
    try {
      return request.get();
    } catch (NoSuchKeyException e) {
      throw new IOException("A file of the archive is missing in " + this + ".", e);
    } catch (SdkException e) {
      throw new IOException(
          "The archive's bucket %s does not do what is asked: %s. See archive.s3 in the configuration."
              .formatted(this, e.getMessage()),
          e);
    }
  }

  @Override
  public void close() {
    client.close();
  }

  @Override
  public String toString() {
    return (config.endpoint() == null ? "s3:/" : config.endpoint())
        + "/"
        + config.bucket()
        + "/"
        + config.prefix();
  }
}
