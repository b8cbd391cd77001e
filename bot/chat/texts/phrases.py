"""Parts of what members read: titles, labels and halves of sentences."""

from enum import StrEnum


class Phrase(StrEnum):
    """Behind each the facts that it takes."""

    #: amount, of hundredths
    CREDITS = "credits"
    #: least_ucr
    LESS_THAN = "less_than"
    #: resolution, quality, cost_ucr
    OFFER = "offer"
    MODELS_TITLE = "models_title"
    #: model
    USED_BY_DEFAULT = "used_by_default"
    UNFILTERED_MODELS = "unfiltered_models"
    UNFILTERED_MODEL = "unfiltered_model"
    NOT_RIGHT_NOW = "not_right_now"
    #: seconds
    USUAL_TIME = "usual_time"
    #: text: what stands before it in its line; day, as 2026-12-01
    MODEL_ENDS = "model_ends"
    #: quality
    QUALITY = "quality"
    ONE_IMAGE = "one_image"
    NOT_HERE = "not_here"
    WHAT_IT_CAN_DO = "what_it_can_do"
    #: references
    TAKES_REFERENCES = "takes_references"
    #: references, each_ucr
    TAKES_PRICED_REFERENCES = "takes_priced_references"
    TAKES_MASKS = "takes_masks"
    MAKES_TRANSPARENCY = "makes_transparency"
    #: ratios
    SHAPES = "shapes"
    FILTER_ON = "filter_on"
    FILTER_AGE_RESTRICTED = "filter_age_restricted"
    FILTER_OFF = "filter_off"
    #: old
    IT_WAS = "it_was"
    NEVER_CHANGED = "never_changed"
    LATEST_CHANGES = "latest_changes"
