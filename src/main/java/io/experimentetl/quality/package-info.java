/**
 * The checks of a row, as plain functions. Their vocabulary is {@link
 * io.experimentetl.model.FindingCode}.
 */
package io.experimentetl.quality;
