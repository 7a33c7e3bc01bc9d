"""Recordings written by each format's reference library, or as its programs write them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import nptdms
import numpy as np
import pyarrow
import pyarrow.parquet
import pyuff
import scipy.io
import soundfile
from numpy.typing import NDArray

RATE_HZ = 1000
Samples = NDArray[Any]


def write_manifest(
    folder: Path,
    rows: list[str],
    files: str,
    more: str = "",
    header: str = "path,label,group",
) -> Path:
    (folder / "recordings.csv").write_text(
        "\n".join([header, *rows]) + "\n", encoding="utf-8"
    )
    path = folder / "manifest.yaml"
    path.write_text(
        f"name: test\nfiles: {{sample_rate_hz: {RATE_HZ}, {files}}}\n{more}",
        encoding="utf-8",
    )
    return path


def hdf5(path: Path, samples: Samples) -> str:
    with h5py.File(path, "w") as file:
        file["signal"] = samples
    return "format: hdf5, key: signal"


def hdf5_by_channel(path: Path, samples: Samples) -> str:
    with h5py.File(path, "w") as file:
        file["acc/x"], file["acc/y"] = samples.T
    return "format: hdf5, key: [acc/x, acc/y]"


def npy(path: Path, samples: Samples) -> str:
    np.save(path, samples)
    return "format: npy"


def npz(path: Path, samples: Samples) -> str:
    np.savez(path, signal=samples, other=samples[:1])
    return "format: npz, key: signal"


def npz_by_channel(path: Path, samples: Samples) -> str:
    np.savez(path, ay=samples[:, 1], ax=samples[:, 0])
    return "format: npz, key: [ax, ay]"


def parquet(path: Path, samples: Samples) -> str:
    pyarrow.parquet.write_table(
        pyarrow.table({"y": samples[:, 1], "x": samples[:, 0]}), path
    )
    return "format: parquet, key: [x, y]"


def wav(path: Path, samples: Samples) -> str:
    soundfile.write(path, samples, RATE_HZ, subtype="DOUBLE")
    return "format: wav"


def flac(path: Path, samples: Samples) -> str:
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_24")
    return "format: flac"


# -- MATLAB ---------------------------------------------------------------------------------------


def mat(path: Path, samples: Samples) -> str:
    scipy.io.savemat(path, {"X001_signal": samples, "rpm": 1800.0}, do_compression=True)
    return 'format: mat, key: "*_signal"'


def mat_struct(path: Path, samples: Samples) -> str:
    scipy.io.savemat(path, {"bearing": {"sr": 1000, "data": {"gs": samples}}})
    return "format: mat, key: bearing.data.gs"


def mat_struct_array(path: Path, samples: Samples) -> str:
    """As Paderborn's bearing data: Y(7).Data"""
    entries = np.zeros((1, 2), [("Name", object), ("Data", object)])
    entries[0, 0], entries[0, 1] = ("x", samples[:, :1].T), ("y", samples[:, 1:].T)
    scipy.io.savemat(path, {"N15": {"Y": entries, "Info": "x"}})
    return 'format: mat, key: ["N*.Y(1).Data", "N*.Y(2).Data"]'


def mat_by_channel(path: Path, samples: Samples) -> str:
    scipy.io.savemat(path, {"ax": samples[:, 0], "ay": samples[:, 1:]})
    return "format: mat, key: [ax, ay]"


def mat_v73(path: Path, samples: Samples) -> str:
    """What `save -v7.3` leaves: HDF5 by columns, behind 512 bytes that say MATLAB 7.3."""
    with _v73(path) as file:
        _variable(file, "signal", samples)
        _variable(file, "rpm", np.array([[1800.0]]))
    return "format: mat, key: signal"


def mat_v73_struct_array(path: Path, samples: Samples) -> str:
    """Fields of a struct array are references, those of a struct are members."""
    with _v73(path) as file:
        group = file.create_group("N15").create_group("Y")
        group.attrs["MATLAB_class"] = np.bytes_(b"struct")
        references = [
            _variable(file, f"#refs#/{name}", samples[:, at : at + 1]).ref
            for at, name in enumerate("ab")
        ]
        group.create_dataset(
            "Data", data=np.array([[one] for one in references], h5py.ref_dtype)
        )
    return 'format: mat, key: ["N15.Y(1).Data", "N15.Y(2).Data"]'


def _v73(path: Path) -> Any:
    file = h5py.File(path, "w", userblock_size=512)
    file.close()
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM")
    return h5py.File(path, "r+")


def _variable(file: Any, name: str, values: Samples) -> Any:
    found = file.create_dataset(name, data=values.T)
    found.attrs["MATLAB_class"] = np.bytes_(b"double")
    return found


# -- measuring systems ----------------------------------------------------------------------------


def tdms(path: Path, samples: Samples) -> str:
    """In two segments, as a program that writes while it measures."""
    with nptdms.TdmsWriter(path) as writer:
        for piece in np.array_split(samples, 2):
            writer.write_segment(
                [
                    nptdms.ChannelObject(
                        "Measured",
                        name,
                        column,
                        {"wf_increment": 1 / RATE_HZ, "unit_string": "g"},
                    )
                    for name, column in zip("xy", piece.T, strict=True)
                ]
            )
    return "format: tdms, key: [x, y]"


def uff(path: Path, samples: Samples, binary: int = 0) -> str:
    write_uff(
        path, [uff_set(one, at, binary=binary) for at, one in enumerate(samples.T, 1)]
    )
    return 'format: uff, key: ["1:+X", "1:+Y"]'


def uff_binary(path: Path, samples: Samples) -> str:
    return uff(path, samples, binary=1)


def write_uff(path: Path, sets: list[dict[str, Any]]) -> None:
    with warnings.catch_warnings():
        # pyuff forgets to close a binary file
        warnings.simplefilter("ignore", ResourceWarning)
        pyuff.UFF(str(path)).write_sets(sets, "add")


def uff_set(
    column: Samples, direction: int, binary: int = 0, **changes: Any
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "binary": binary,
        "func_type": 1,
        "rsp_node": 1,
        "rsp_dir": direction,
        "ref_node": 0,
        "ref_dir": 0,
        "data": np.asarray(column, np.float64),
        "x": np.arange(len(column)) / RATE_HZ,
        "id1": f"channel {direction}",
        "rsp_ent_name": "NONE",
        "ref_ent_name": "NONE",
        "abscissa_spacing": 1,
        "abscissa_inc": 1 / RATE_HZ,
        "abscissa_min": 0.0,
        "ord_data_type": 4,
        "num_pts": len(column),
        "abscissa_spec_data_type": 17,
        "ordinate_spec_data_type": 12,
        "orddenom_spec_data_type": 0,
        "ordinate_axis_units_lab": "g",
    }
    return dict(pyuff.prepare_58(**(facts | changes)))


# -- text -----------------------------------------------------------------------------------------


def text(
    path: Path,
    rows: Sequence[Sequence[str]],
    delimiter: str,
    encoding: str = "utf-8",
    end: str = "\r\n",
) -> None:
    content = "".join(delimiter.join(row) + end for row in rows)
    path.write_bytes(content.encode(encoding))


def cells(samples: Samples, decimal: str = ".") -> list[list[str]]:
    """A time in seconds before each row's samples, as many digits as a float32 needs."""
    return [
        [f"{cell:.9g}".replace(".", decimal) for cell in (at / RATE_HZ, *row)]
        for at, row in enumerate(samples)
    ]


def csv(path: Path, samples: Samples) -> str:
    text(path, [["t", "x", "y"], *cells(samples)], ",")
    return "format: csv, key: [x, y]"


def csv_german_excel(path: Path, samples: Samples) -> str:
    head = [
        ["Prüfstand 3"],
        ["Messung vom 24.11.2026"],
        ["Zeit [s]", "Größe x [g]", "Größe y [g]"],
    ]
    text(path, [*head, *cells(samples, ",")], ";", "cp1252")
    return 'format: csv, key: ["Größe x", "Größe y"]'


def csv_unicode_excel(path: Path, samples: Samples) -> str:
    """Excel's "Unicode text": UTF-16 with tabs, cells with a comma in quotes."""
    quoted = [[f'"{cell}"' for cell in row] for row in cells(samples, ",")]
    text(path, [["t", "x", "y"], *quoted], "\t", "utf-16")
    return "format: csv"


def dat(path: Path, samples: Samples) -> str:
    """Blanks between the columns and no header, as old loggers write."""
    text(path, [["", *row] for row in cells(samples)], "   ", end="\n")
    return "format: csv, key: [1, 2]"


def savetxt(path: Path, samples: Samples) -> str:
    np.savetxt(path, samples, delimiter=",", header="x,y")
    return "format: csv, key: [x, y]"


def lvm(path: Path, samples: Samples, decimal: str = ",") -> str:
    head = [
        *([["LabVIEW Measurement", ""], ["Writer_Version", "2"], ["Reader_Version", "2"]]),
        *([["Separator", "Tab"], ["Decimal_Separator", decimal], ["Multi_Headings", "No"]]),
        *(
            [
                ["X_Columns", "One"],
                ["Time_Pref", "Relative"],
                ["***End_of_Header***", ""],
                [""],
            ]
        ),
        *([["Channels", "2", ""], ["Samples", *[str(len(samples))] * 2, ""]]),
        ["Y_Unit_Label", "g", "g", ""],
        ["Delta_X", *[f"{1 / RATE_HZ:.6f}".replace(".", decimal)] * 2, ""],
        ["***End_of_Header***", "", ""],
        ["X_Value", "Acc x", "Acc y", "Comment"],
    ]
    text(path, [*head, *([*row, ""] for row in cells(samples, decimal))], "\t")
    return "format: lvm"


def lvm_without_times(path: Path, samples: Samples) -> str:
    lvm(path, samples, ".")
    lines = (
        path.read_bytes().decode().replace("X_Columns\tOne", "X_Columns\tNo").split("\r\n")
    )
    at = next(at for at, line in enumerate(lines) if line.startswith("X_Value")) + 1
    rows = ["\t" + line.partition("\t")[2] for line in lines[at:] if line]
    path.write_bytes("\r\n".join([*lines[:at], *rows, ""]).encode())
    return "format: lvm, key: [Acc x, Acc y]"


WRITERS: dict[str, Callable[[Path, Samples], str]] = {
    writer.__name__: writer
    for writer in (
        *(hdf5, hdf5_by_channel, npy, npz, npz_by_channel, parquet, wav, flac),
        *(mat, mat_struct, mat_struct_array, mat_by_channel, mat_v73, mat_v73_struct_array),
        *(tdms, uff, uff_binary, csv, csv_german_excel, csv_unicode_excel, dat, savetxt),
        *(lvm, lvm_without_times),
    )
}
